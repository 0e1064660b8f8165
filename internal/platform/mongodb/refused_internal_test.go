package mongodb

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/mongo"
)

// What FerretDB never answers.
func TestWhatAServerRefusesIsToldWithWhatToDo(t *testing.T) {
	t.Parallel()
	unauthorized := func(message string) error {
		return fmt.Errorf("find: %w", mongo.CommandError{Code: 13, Name: "Unauthorized", Message: message})
	}
	for name, c := range map[string]struct {
		met  error
		is   error
		says string
	}{
		"no right":  {unauthorized("not authorized on chat to execute command { delete: \"chatd_nothing\" }"), ErrCredentials, "give it the role readWrite"},
		"nobody":    {unauthorized("Command find requires authentication"), ErrCredentials, "wants a user and a password"},
		"arbiter":   {answer{Wire: 21, SetName: "rs", Arbiter: true}.fit(), ErrUnfit, "arbiter, which keeps no data; name all members"},
		"secondary": {answer{Wire: 21, SetName: "rs", Secondary: true}.fit(), ErrUnfit, "secondary, which takes no writes; name all members"},
		"not begun": {answer{Wire: 21}.fit(), ErrUnfit, "start its replica set"},
		"old":       {answer{Wire: 13, Writable: true}.fit(), ErrUnfit, "older than 6.0"},
	} {
		err := reason(c.met, false)
		if !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := (answer{Wire: 17, Writable: true}).fit(); err != nil {
		t.Errorf("MongoDB 6.0 is refused: %v", err)
	}
}
