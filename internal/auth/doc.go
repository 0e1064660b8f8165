// Package auth says who may come in: accounts, their passwords and second
// factors, the sessions of signed-in devices, and the tokens that prove them.
//
// Words. An Account is somebody who may sign in. A Session is one signed-in
// device; it slides forward with every refresh and has an absolute end. An
// access token is a signed statement about a session that is good for
// minutes; a refresh token is used once to get the next pair. Revocation is
// the end of a session before its time. A personal token stands for its user
// in a script, within its scopes; a bot is an account that has nothing else.
// Its handle is what revocations know it by. A second factor is a TOTP secret
// with recovery codes; a proof is one code of either, which is spent. A
// standing is an account's role and whether it may be used. An invitation lets
// who has its code register. An act is an entry of the audit log. A network is
// what limits count a client's address by. An identity is what an account is
// known by at another provider; a sign-in code hands over to a client what a
// provider has said to its browser. A mail job is a mail that was promised; a
// link is what the token in one is good for. A registration whose address waits
// for its proof is pending, and no account.
//
// Start at service.go (what it needs and how it lives), then register.go,
// login.go, totp.go, refresh.go, sessions.go, tokens.go, standing.go,
// invites.go, browsersignin.go, identities.go, email.go for the use cases;
// outbox.go delivers mail; audit.go is how what is done is recorded; verify.go
// is what every request passes, revoke.go how the end of a session gets there.
//
// Other nodes read in the store what has ended; authredis only tells them
// sooner.
//
// It does not know what somebody looks like to others (user does), holds no
// sockets (it tells OnEnded) and speaks neither GraphQL nor SQL.
package auth
