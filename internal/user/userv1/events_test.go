package userv1_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"chatd/internal/platform/ids"
	"chatd/internal/user/userv1"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestEventsKeepTheirJSON(t *testing.T) {
	t.Parallel()
	id, err := ids.FromBytes[ids.User]([]byte("0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 23, 8, 30, 0, 123_456_000, time.UTC)
	expires := at.Add(time.Hour)
	golden(t, userv1.PresenceChosenName, userv1.PresenceChosen{UserID: id, At: at})
	golden(t, userv1.SettingsChangedName, userv1.SettingsChanged{UserID: id, At: at})
	golden(t, userv1.RelationshipChangedName, userv1.RelationshipChanged{UserID: id, OtherID: id, State: "FRIENDS", At: at})
	golden(t, userv1.PresenceReportedName, userv1.PresenceReported{
		Node: "NODE", Seq: 7, Beat: true, Whole: true, Alone: true, Left: true, Chosen: []ids.User{id},
		People: []userv1.PersonPresent{{UserID: id, Status: "AWAY", IdleMS: 300_000}, {UserID: id}},
	})
	avatar, err := ids.FromBytes[ids.Attachment]([]byte("0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	golden(t, userv1.ProfileUpdatedName, userv1.ProfileUpdated{
		UserID: id, Username: "ada", DisplayName: "Ada L.", Bio: "Analyst.\nPoet's daughter.",
		StatusText: "computing", StatusEmoji: "🧮", StatusExpiresAt: &expires,
		TimeZone: "Europe/London", Locale: "en-GB", AvatarID: &avatar, At: at,
	})
}

func golden[E any](t *testing.T, name string, event E) {
	t.Helper()
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
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("JSON is now\n%s\nand was\n%s", got, want)
	}
	var back E
	if err := json.Unmarshal(want, &back); err != nil || !reflect.DeepEqual(back, event) {
		t.Errorf("read back as %+v, %v", back, err)
	}
}
