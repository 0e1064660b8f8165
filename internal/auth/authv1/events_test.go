package authv1_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"chatd/internal/auth/authv1"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/principal"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestEventsKeepTheirJSON(t *testing.T) {
	t.Parallel()
	user, _ := ids.FromBytes[ids.User]([]byte("0123456789abcdef"))
	session, _ := ids.FromBytes[ids.Session]([]byte("fedcba9876543210"))
	token, _ := ids.FromBytes[ids.PersonalToken]([]byte("fedcba9876543210"))
	actor, _ := ids.FromBytes[ids.User]([]byte("ABCDEFGHIJKLMNOP"))
	at := time.Date(2026, 11, 23, 8, 30, 0, 123_456_000, time.UTC)
	for name, event := range map[string]any{
		authv1.AccountRegisteredName: authv1.AccountRegistered{
			UserID: user, Username: "ada", DisplayName: "Ada L.", Role: principal.Member, At: at,
		},
		authv1.RoleChangedName:       authv1.RoleChanged{UserID: user, Role: principal.Guest, Was: principal.Member, ActorID: actor, At: at},
		authv1.AccountSuspendedName:  authv1.AccountSuspended{UserID: user, ActorID: actor, At: at},
		authv1.AccountReinstatedName: authv1.AccountReinstated{UserID: user, At: at}, // by the command line
		authv1.AccountDeletedName:    authv1.AccountDeleted{UserID: user, ActorID: user, At: at},
		authv1.SessionEndedName:      authv1.SessionEnded{SessionID: session, UserID: user, Reason: "REVOKED", At: at},
		authv1.TokenEndedName:        authv1.TokenEnded{TokenID: token, UserID: user, Reason: "REVOKED", At: at},

		authv1.UsernameChangedName:     authv1.UsernameChanged{UserID: user, Username: "eva", Was: "ada", At: at},
		authv1.SecondFactorChangedName: authv1.SecondFactorChanged{UserID: user, Enabled: true, At: at},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := json.MarshalIndent(event, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, '\n')
			path := filepath.Join("testdata", name+".json")
			if *update {
				if err := os.WriteFile(path, got, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("got %s want %s %v", got, want, err)
			}
			back := reflect.New(reflect.TypeOf(event))
			if err := json.Unmarshal(want, back.Interface()); err != nil || back.Elem().Interface() != event {
				t.Fatalf("came back as %+v %v", back.Elem(), err)
			}
		})
	}
}
