package ids_test

import (
	"bytes"
	"slices"
	"testing"

	"chatd/internal/platform/ids"
)

func TestTheOpaqueFormComesBackAndSortsAsTheBytes(t *testing.T) {
	t.Parallel()
	var made []string
	for range 200 {
		id := ids.New[ids.Message]()
		back, ok := ids.ParseMessage(id.String())
		if !ok || back != id {
			t.Fatalf("%s came back as %s, %v", id, back, ok)
		}
		made = append(made, id.String())
	}
	if !slices.IsSorted(made) {
		t.Fatal("later identifiers sort before earlier ones")
	}
}

func TestAnotherTypeIsRefused(t *testing.T) {
	t.Parallel()
	if _, ok := ids.ParseUser(ids.New[ids.Message]().String()); ok {
		t.Fatal("a message was taken for a user")
	}
}

func TestStoresKeepSixteenBytesAndNull(t *testing.T) {
	t.Parallel()
	id := ids.New[ids.User]()
	v, err := id.Value()
	if err != nil || !bytes.Equal(v.([]byte), id.Bytes()) {
		t.Fatal(v, err)
	}
	var back ids.User
	if err := back.Scan(v); err != nil || back != id {
		t.Fatal(back, err)
	}
	if v, _ := (ids.User{}).Value(); v != nil {
		t.Fatal("the zero identifier is not NULL")
	}
	if err := back.Scan(nil); err != nil || !back.IsZero() {
		t.Fatal(back, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("usr_")
	f.Add(ids.New[ids.User]().String())
	f.Add("usr_7zzzzzzzzzzzzzzzzzzzzzzzzz")
	f.Add("usr_8zzzzzzzzzzzzzzzzzzzzzzzzz")
	f.Fuzz(func(t *testing.T, s string) {
		if id, ok := ids.ParseUser(s); ok && id.String() != s {
			t.Fatalf("%q was read as %q", s, id)
		}
	})
}
