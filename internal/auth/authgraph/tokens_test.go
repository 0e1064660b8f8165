package authgraph_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"chatd/internal/auth/authgraph"
	"chatd/internal/platform/principal"
)

// What changes accounts is for those who have signed in, or says otherwise: a
// new mutation without a directive would be open to every token that may write.
func TestEveryMutationOfAccountsSaysWhoMay(t *testing.T) {
	t.Parallel()
	inside, seen := false, 0
	var free []string
	ends := regexp.MustCompile(`^  (\)|\w+): `)
	for line := range strings.Lines(authgraph.SDL()) {
		switch {
		case strings.HasPrefix(line, "extend type Mutation"):
			inside = true
		case strings.HasPrefix(line, "}"):
			inside = false
		case inside && ends.MatchString(line):
			seen++
			if !slices.ContainsFunc([]string{" @open", " @session", " @admin"}, func(d string) bool { return strings.Contains(line, d) }) {
				free = append(free, strings.TrimSpace(line))
			}
		}
	}
	if len(free) > 0 || seen < 10 {
		t.Errorf("of %d these are marked with neither @open, @session nor @admin: %q", seen, free)
	}
}

func TestATokenIsTextOnceAndIsListedWithoutIt(t *testing.T) {
	t.Parallel()
	h, e := setup(t)
	in := h.Register(t)
	ctx := principal.With(t.Context(), h.Caller(t, in))
	var made struct {
		CreatePersonalToken struct {
			Token         string
			PersonalToken map[string]any
		}
	}
	const fields = ` { id name scopes createdAt expiresAt lastUsedAt } `
	code := run(ctx, t, e, `mutation { createPersonalToken(input: {name: "backup", scopes: [WRITE, READ, READ], expiresAt: "2040-01-01T00:00:00Z"}) { token personalToken`+fields+`} }`, nil, &made)
	got := made.CreatePersonalToken.PersonalToken
	if code != "" || got["expiresAt"] != "2040-01-01T00:00:00.000Z" || got["lastUsedAt"] != nil || !slices.Equal(got["scopes"].([]any), []any{"READ", "WRITE"}) {
		t.Fatalf("%+v %s", made, code)
	}
	p, err := h.Authenticate(t.Context(), made.CreatePersonalToken.Token)
	if err != nil {
		t.Fatal(err)
	}
	var listed struct{ PersonalTokens []map[string]any }
	if code := run(ctx, t, e, `{ personalTokens`+fields+`}`, nil, &listed); code != "" || len(listed.PersonalTokens) != 1 || listed.PersonalTokens[0]["lastUsedAt"] == nil {
		t.Fatalf("%+v %s", listed, code)
	}
	asToken := principal.With(t.Context(), p)
	for doc, want := range map[string]string{
		`{ personalTokens { id } }`: "FORBIDDENSESSION_REQUIRED",
		`mutation { createPersonalToken(input: {name: "x", scopes: [READ]}) { token } }`: "FORBIDDENSESSION_REQUIRED",
		`mutation { createBot(input: {username: "robot"}) { user { id } } }`:             "FORBIDDENSCOPE_REQUIRED",
		`{ __typename }`: "",
	} {
		if got := run(asToken, t, e, doc, nil, nil); got != want {
			t.Errorf("%s: %s, want %s", doc, got, want)
		}
	}
	for doc, want := range map[string]string{
		`mutation { createPersonalToken(input: {name: "x", scopes: []}) { token } }`:                                        "BAD_USER_INPUTscopes",
		`mutation { createPersonalToken(input: {name: "x", scopes: [READ], userId: "x"}) { token } }`:                       "NOT_FOUND",
		`mutation { createPersonalToken(input: {name: "x", scopes: [READ], expiresAt: "2000-01-01T00:00:00Z"}) { token } }`: "BAD_USER_INPUTexpiresAt",
		`mutation { revokePersonalToken(input: {tokenId: "x"}) { ok } }`:                                                    "NOT_FOUND",
		`mutation { confirmTotp(input: {code: "1"}) { recoveryCodes } }`:                                                    "FAILED_PRECONDITIONTOTP_OFF",
		`mutation { beginTotp(input: {password: "not the password"}) { secret } }`:                                          "BAD_USER_INPUTpassword",
	} {
		if got := run(ctx, t, e, doc, nil, nil); got != want {
			t.Errorf("%s: %s, want %s", doc, got, want)
		}
	}
}
