package principal_test

import (
	"testing"

	"chatd/internal/platform/principal"
)

// Each role against each right, written out, so that a change of the table is
// one of this page too.
func TestEachRoleHasItsRights(t *testing.T) {
	t.Parallel()
	const (
		administer = principal.Administer
		makes      = principal.MakeGroups
		finds      = principal.FindChannels
		brings     = principal.BringPeople
		people     = principal.FindPeople
	)
	for role, may := range map[principal.Role]map[principal.Right]bool{
		principal.Admin:  {administer: true, makes: true, finds: true, brings: true, people: true},
		principal.Member: {administer: false, makes: true, finds: true, brings: true, people: true},
		principal.Guest:  {administer: false, makes: false, finds: false, brings: false, people: false},
		principal.Bot:    {administer: false, makes: true, finds: true, brings: true, people: true},
		"":               {administer: false, makes: false, finds: false, brings: false, people: false},
		"KING":           {administer: false, makes: false, finds: false, brings: false, people: false},
	} {
		for right, want := range may {
			if got := (principal.Principal{Role: role}).May(right); got != want {
				t.Errorf("%q and %d: %v", role, right, got)
			}
		}
		if known := role.Known(); known == (role == "" || role == "KING") {
			t.Errorf("%q is known: %v", role, known)
		}
	}
	if admin := (principal.Principal{Role: principal.Admin}); !admin.IsAdmin() || admin.May(200) {
		t.Error("an administrator")
	}
}
