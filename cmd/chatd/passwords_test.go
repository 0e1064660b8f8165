package main

import "testing"

func TestAnotherPasswordEndsAllOtherSessions(t *testing.T) {
	t.Parallel()
	p := startProgram(t)
	here := p.register(t, "ada")
	gone := p.login(t, here)
	socket := p.dial(t, gone)
	const doc = `mutation($c: String!, $n: String!) { changePassword(input: {currentPassword: $c, newPassword: $n}) { ok } }`
	if err := p.gql(t.Context(), here.token, doc, vars("c", "not the current one", "n", "another long passphrase"), nil); codeOf(err) != "BAD_USER_INPUT" {
		t.Fatal(err)
	}
	if err := p.gql(t.Context(), here.token, doc, vars("c", "a long passphrase of ada", "n", "another long passphrase"), nil); err != nil {
		t.Fatal(err)
	}
	p.mustBeOver(t, gone, socket)
	if r := p.ask(t, here.token, whoAmI, nil); r.code() != "" {
		t.Errorf("the session that changed it: %v", r)
	}
}
