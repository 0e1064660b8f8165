package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"chatd/internal/platform/redisdb/redisdbtest"
	"chatd/internal/platform/wsgql/wsclient"
)

var b64 = base64.RawURLEncoding

// jwtParts are header, claims and signature of a token.
func jwtParts(t testing.TB, token string) (header, claims map[string]any, signature []byte) {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("no JWT: %q", token)
	}
	for i, into := range []*map[string]any{&header, &claims} {
		b, err := b64.DecodeString(parts[i])
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, into); err != nil {
			t.Fatal(err)
		}
	}
	signature, err := b64.DecodeString(parts[2])
	if err != nil {
		t.Fatal(err)
	}
	return header, claims, signature
}

// forgeries are tokens that say what the good one says, or more, and are not
// the server's.
func forgeries(t testing.TB, good, others string, jwks []byte) map[string]string {
	t.Helper()
	header, claims, signature := jwtParts(t, good)
	text := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return b64.EncodeToString(b)
	}
	with := func(m map[string]any, pairs ...any) map[string]any {
		m = maps.Clone(m)
		maps.Copy(m, vars(pairs...))
		return m
	}
	var set struct{ Keys []struct{ X string } }
	if err := json.Unmarshal(jwks, &set); err != nil {
		t.Fatal(err)
	}
	public, err := b64.DecodeString(set.Keys[0].X)
	if err != nil {
		t.Fatal(err)
	}
	own := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	ownJWK := vars("kty", "OKP", "crv", "Ed25519", "x", b64.EncodeToString(own.Public().(ed25519.PublicKey)))
	none := func(string) []byte { return nil }
	byOwn := func(s string) []byte { return ed25519.Sign(own, []byte(s)) }
	byHMAC := func(key []byte) func(string) []byte {
		return func(s string) []byte {
			h := hmac.New(sha256.New, key)
			h.Write([]byte(s))
			return h.Sum(nil)
		}
	}
	same := func(string) []byte { return signature }
	forge := func(h, c map[string]any, sign func(string) []byte) string {
		s := text(h) + "." + text(c)
		return s + "." + b64.EncodeToString(sign(s))
	}
	flipped := slices.Clone(signature)
	flipped[9] ^= 1
	head, body, _ := strings.Cut(good, ".")
	body, tail, _ := strings.Cut(body, ".")
	_, othersTail, _ := strings.Cut(others[strings.Index(others, ".")+1:], ".")
	return map[string]string{
		"alg none":                       forge(with(header, "alg", "none"), claims, none),
		"alg nOnE with a signature":      forge(with(header, "alg", "nOnE"), claims, same),
		"alg empty":                      forge(with(header, "alg", ""), claims, none),
		"alg null":                       forge(with(header, "alg", nil), claims, same),
		"HS256 by the public key":        forge(with(header, "alg", "HS256"), claims, byHMAC(public)),
		"HS256 by the text of the key":   forge(with(header, "alg", "HS256"), claims, byHMAC([]byte(set.Keys[0].X))),
		"HS256 by the key set":           forge(with(header, "alg", "HS256"), claims, byHMAC(jwks)),
		"HS256 by nothing":               forge(with(header, "alg", "HS256"), claims, byHMAC(nil)),
		"HS256 by a file of zeroes":      forge(with(header, "alg", "HS256", "kid", "../../../../dev/null"), claims, byHMAC(nil)),
		"RS256":                          forge(with(header, "alg", "RS256"), claims, same),
		"ES256":                          forge(with(header, "alg", "ES256"), claims, same),
		"signed by somebody else":        forge(header, claims, byOwn),
		"with its own key inside":        forge(with(header, "jwk", ownJWK), claims, byOwn),
		"with its own key only":          forge(vars("alg", "EdDSA", "typ", "at+jwt", "jwk", ownJWK), claims, byOwn),
		"with an address of keys":        forge(with(header, "jku", "http://127.0.0.1:9/keys"), claims, byOwn),
		"with an address of a chain":     forge(with(header, "x5u", "http://127.0.0.1:9/chain"), claims, byOwn),
		"with a chain":                   forge(with(header, "x5c", []string{"MIIB"}), claims, byOwn),
		"kid that is SQL":                forge(with(header, "kid", "x' UNION SELECT 'key' --"), claims, byOwn),
		"kid that is a path":             forge(with(header, "kid", "../secret.key"), claims, byOwn),
		"kid of nobody":                  forge(with(header, "kid", "key_01m83rvxcnf479rx379ektnkqc"), claims, byOwn),
		"kid that is a list":             forge(with(header, "kid", []any{header["kid"]}), claims, same),
		"another typ":                    forge(with(header, "typ", "JWT"), claims, same),
		"critical extension":             forge(with(header, "crit", []string{"exp"}), claims, same),
		"another subject":                forge(header, with(claims, "sub", "usr_01m83rvxcnf479rx379ektnkqc"), same),
		"another role":                   forge(header, with(claims, "role", "ADMIN"), same),
		"a later end":                    forge(header, with(claims, "exp", 4102444800), same),
		"no end":                         forge(header, with(claims, "exp", nil), same),
		"signature of another token":     head + "." + body + "." + othersTail,
		"signature with a bit changed":   head + "." + body + "." + b64.EncodeToString(flipped),
		"signature cut short":            head + "." + body + "." + b64.EncodeToString(signature[:63]),
		"signature of the same value":    head + "." + body + "." + b64.EncodeToString(sameValue(signature)),
		"signature in another spelling":  head + "." + body + "." + respelt(tail),
		"no signature":                   head + "." + body + ".",
		"two parts":                      head + "." + body,
		"four parts":                     good + "." + tail,
		"five parts, as if encrypted":    good + "." + tail + "." + tail,
		"padding":                        head + "." + body + "." + tail + "==",
		"a line break inside":            head + "." + body[:20] + "\\n" + body[20:] + "." + tail,
		"nothing but dots":               "..",
		"the object that it stands for":  `{"alg":"none"}`,
		"the object in place of a token": text(claims),
	}
}

// sameValue adds the group's order to the second half of an Ed25519 signature,
// which a careless check takes for the same (RFC 8032, section 8.4).
func sameValue(signature []byte) []byte {
	order, _ := new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)
	s := slices.Clone(signature[32:])
	slices.Reverse(s)
	s = new(big.Int).Add(new(big.Int).SetBytes(s), order).FillBytes(make([]byte, 32))
	slices.Reverse(s)
	return append(slices.Clone(signature[:32]), s...)
}

// respelt changes the bits of the last character that stand for nothing.
func respelt(s string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, s[len(s)-1])
	return s[:len(s)-1] + string(alphabet[last^1])
}

const whoAmI = `{ viewer { user { id } } }`

// mustBeNoToken tries a text as an access token, over HTTP and on a socket.
func (p *program) mustBeNoToken(t testing.TB, what, token string) {
	t.Helper()
	if r := p.ask(t, token, whoAmI, nil); r.status != http.StatusUnauthorized || r.code() != "UNAUTHENTICATED" {
		t.Errorf("%s over HTTP: %v", what, r)
	}
	for _, name := range []string{"authorization", "token"} {
		given := token
		if name == "authorization" {
			given = "Bearer " + token
		}
		if err := p.dialWith(t, vars(name, given)); closeCode(err) != 4403 {
			t.Errorf("%s as %s of connection_init: %v", what, name, err)
		}
	}
}

func TestAForgedTokenIsRefusedOnEveryWay(t *testing.T) {
	t.Parallel()
	p := startProgram(t, unlimited...)
	ada, bob := p.register(t, "ada"), p.register(t, "bob")
	jwks := p.do(t, http.MethodGet, "/.well-known/jwks.json", nil, nil).body
	for what, token := range forgeries(t, ada.token, bob.token, []byte(jwks)) {
		p.mustBeNoToken(t, what, token)
	}
	if r := p.ask(t, ada.token, whoAmI, nil); !strings.Contains(r.body, ada.id) {
		t.Errorf("the good one: %v", r)
	}
}

func TestOneKindOfTokenIsNotTakenForAnother(t *testing.T) {
	t.Parallel()
	p := startProgram(t, unlimited...)
	ada := p.register(t, "ada")
	room := p.group(t, ada)
	if _, err := p.send(t.Context(), ada, room, "one", ""); err != nil {
		t.Fatal(err)
	}
	var d struct {
		Viewer   struct{ StreamCursor string }
		Messages struct{ Edges []struct{ Cursor string } }
	}
	if err := p.gql(t.Context(), ada.token, `query($c: ID!) { viewer { streamCursor } messages(conversationId: $c) { edges { cursor } } }`, vars("c", room), &d); err != nil {
		t.Fatal(err)
	}
	token, text := p.personal(t, ada, "", "READ")
	_, groupCode := p.invite(t, ada, room, nil)
	_, code := p.inviteToServer(t, ada, nil)
	recovery := p.secure(t, p.register(t, "careful")).recovery[0]
	file := p.upload(t, ada, "a.txt", []byte("a file"))
	var link struct{ SendMessage struct{ Message filed } }
	if err := p.gql(t.Context(), ada.token, `mutation($c: ID!, $f: [ID!]!) { sendMessage(input: {conversationId: $c, text: "a file", attachmentIds: $f}) { message { `+filedFields+` } } }`,
		vars("c", room, "f", []string{file}), &link); err != nil {
		t.Fatal(err)
	}
	address := link.SendMessage.Message.Attachments[0].URL
	_, signature, _ := strings.Cut(address, "sig=")
	signature, _, _ = strings.Cut(signature, "&")
	p.mustDo(t, "", requestResetDoc, vars("e", "ada@example.org"))
	_, mail := p.mailFile(t)
	kinds := map[string]string{
		"the token of a link in a mail": linkIn.FindStringSubmatch(mail.Text)[3],
		"a group's code":                groupCode, "an invitation's code": code, "a recovery code": recovery, "a file's id": file, "the signature of a link": signature,
		"a personal token": text, "an access token": ada.token, "a refresh token": ada.refresh, "a session id": p.session(t, ada), "a user id": ada.id,
		"the id of a personal token": token, "a stream cursor": d.Viewer.StreamCursor, "a list cursor": d.Messages.Edges[0].Cursor,
	}
	var tried []string
	for what, text := range kinds {
		if what != "an access token" && what != "a personal token" {
			p.mustBeNoToken(t, what, text)
		}
		if what != "a refresh token" {
			if _, err := p.renew(t, text); codeOf(err) != "UNAUTHENTICATED" {
				t.Errorf("%s as a refresh token: %v", what, err)
			}
		}
		if what != "a group's code" {
			if r := p.ask(t, p.register(t, fmt.Sprintf("user%d", len(tried))).token, byInviteDoc, vars("k", text)); r.code() != "NOT_FOUND" {
				t.Errorf("%s as a group's code: %v", what, r)
			}
		}
		if what != "an invitation's code" {
			in := vars("email", "eve@example.org", "username", "eve", "password", "a long passphrase", "inviteCode", text)
			if r := p.ask(t, "", `mutation($i: RegisterInput!) { register(input: $i) { user { id } } }`, vars("i", in)); r.code() != "BAD_USER_INPUT" {
				t.Errorf("%s as an invitation's code: %v", what, r)
			}
		}
		if what != "a recovery code" {
			if r := p.ask(t, "", totpLogin, totpVars(person{name: "careful"}, text)); r.code() != "UNAUTHENTICATED" {
				t.Errorf("%s as a second factor: %v", what, r)
			}
		}
		if r := p.files(t, "", http.MethodGet, strings.Replace(address, signature, url.QueryEscape(text), 1), nil); what != "the signature of a link" && r.status != http.StatusNotFound {
			t.Errorf("%s as the signature of a link: %d", what, r.status)
		}
		for _, doc := range []string{resetPasswordDoc, verifyEmailDoc} { // a reset's link proves no address
			if what == "the token of a link in a mail" && doc == resetPasswordDoc {
				continue
			}
			if r := p.ask(t, "", doc, vars("t", text, "p", nextPass)); r.code() != "BAD_USER_INPUT" {
				t.Errorf("%s as the token of %s: %v", what, doc, r)
			}
		}
		tried = append(tried, what)
		if what != "a stream cursor" {
			if r := p.ask(t, ada.token, `query($a: String) { events(after: $a) { pageInfo { endCursor } } }`, vars("a", text)); r.code() != "BAD_USER_INPUT" {
				t.Errorf("%s as a stream cursor: %v", what, r)
			}
		}
	}
}

// The keys are the same, and so is the data: only the address differs that
// the tokens were made for.
func TestATokenOfAnotherAddressIsRefused(t *testing.T) {
	t.Parallel()
	p := startProgram(t, "--public-url", "https://one.example.org")
	ada := p.register(t, "ada")
	if r := p.ask(t, ada.token, whoAmI, nil); r.code() != "" {
		t.Fatalf("at home: %v", r)
	}
	if err := p.stop(t); err != nil {
		t.Fatal(err)
	}
	p.args = []string{"--public-url", "https://two.example.org"}
	p.start(t)
	p.mustBeNoToken(t, "a token of another address", ada.token)
}

// Another server that was given the same master key has keys of its own.
func TestATokenOfAServerWithTheSameSecretIsRefused(t *testing.T) {
	t.Parallel()
	secret := rand.Text() + rand.Text()
	var made []*program
	for range 2 {
		p := &program{dir: filepath.Join(t.TempDir(), "data"), addr: freeAddr(t), env: []string{"CHATD_SECRET=" + secret}}
		p.start(t)
		t.Cleanup(p.kill)
		made = append(made, p)
	}
	ada := made[0].register(t, "ada")
	made[1].register(t, "ada")
	made[1].mustBeNoToken(t, "another server's token", ada.token)
	if _, err := made[1].renew(t, ada.refresh); codeOf(err) != "UNAUTHENTICATED" {
		t.Errorf("another server's refresh token: %v", err)
	}
}

func TestAHugeTokenIsRefusedUnread(t *testing.T) {
	t.Parallel()
	p := startProgram(t, unlimited...)
	before := p.residentBytes(t)
	for n, status := range map[int]int{3 << 10: 401, 100 << 10: 431, 900 << 10: 431} {
		fast := time.Hour
		const limit = 50 * time.Millisecond
		for try := 0; try < 10 || try < 50 && fast > limit; try++ {
			begin := time.Now()
			r := p.ask(t, strings.Repeat(".", n), whoAmI, nil)
			if fast = min(fast, time.Since(begin)); r.status != status {
				t.Errorf("%d dots: %v", n, r)
			}
		}
		if fast > limit {
			t.Errorf("%d dots took %v", n, fast)
		}
	}
	if err := p.dialWith(t, vars("token", strings.Repeat(".", 7<<10))); closeCode(err) != 4403 {
		t.Errorf("on a socket: %v", err)
	}
	if err := p.dialWith(t, vars("token", strings.Repeat(".", 1<<20))); closeCode(err) != 1009 {
		t.Errorf("on a socket, more than is read: %v", err)
	}
	if grown := p.residentBytes(t) - before; grown > 64<<20 {
		t.Errorf("the program grew by %d bytes", grown)
	}
}

func TestATokenInAnAddressIsNotLookedAt(t *testing.T) {
	t.Parallel()
	p := startProgram(t)
	ada := p.register(t, "ada")
	for _, name := range []string{"access_token", "accessToken", "token", "authorization", "auth"} {
		r := p.do(t, http.MethodGet, "/graphql?query=%7Bviewer%7Buser%7Bid%7D%7D%7D&"+name+"="+ada.token, nil, nil)
		if r.status != 401 {
			t.Errorf("%s: %v", name, r)
		}
		c, err := wsclient.Dial(t.Context(), p.ws()+"?"+name+"="+ada.token, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := askSocket(t, c, whoAmI, nil); !strings.Contains(got, "UNAUTHENTICATED") {
			t.Errorf("%s on a socket: %s", name, got)
		}
		_ = c.Close()
	}
	if r := p.do(t, http.MethodPost, "/graphql", map[string]string{"Content-Type": "application/json", "Cookie": "token=" + ada.token + "; session=" + p.session(t, ada)},
		strings.NewReader(`{"query":"{ viewer { user { id } } }"}`)); r.status != 401 || r.header.Get("Set-Cookie") != "" {
		t.Errorf("as a cookie: %v", r)
	}
	log, err := os.ReadFile(p.logFile())
	if err != nil || strings.Contains(string(log), ada.token) {
		t.Error("the log has the token", err)
	}
}

// renew uses a refresh token.
func (p *program) renew(t testing.TB, refresh string) (person, error) {
	t.Helper()
	var d struct {
		RefreshToken struct {
			User         struct{ ID string }
			AccessToken  string
			RefreshToken string
		}
	}
	err := p.gql(t.Context(), "", `mutation($i: RefreshTokenInput!) { refreshToken(input: $i) { user { id } accessToken refreshToken } }`,
		vars("i", vars("refreshToken", refresh)), &d)
	return person{id: d.RefreshToken.User.ID, token: d.RefreshToken.AccessToken, refresh: d.RefreshToken.RefreshToken}, err
}

// login signs in with the password that register gave.
func (p *program) login(t testing.TB, who person) person {
	t.Helper()
	var d struct {
		Login struct{ AccessToken, RefreshToken string }
	}
	if err := p.gql(t.Context(), "", `mutation($i: LoginInput!) { login(input: $i) { accessToken refreshToken } }`,
		vars("i", vars("login", who.name, "password", "a long passphrase of "+who.name)), &d); err != nil {
		t.Fatal(err)
	}
	who.token, who.refresh = d.Login.AccessToken, d.Login.RefreshToken
	return who
}

// watched returns what clients have told Redis so far.
func watched(t testing.TB, s *redisdbtest.Server) func() string {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", s.Port()))
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var said bytes.Buffer
	var reading sync.WaitGroup
	t.Cleanup(reading.Wait)
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, "MONITOR\r\n"); err != nil {
		t.Fatal(err)
	}
	reading.Go(func() {
		part := make([]byte, 64<<10)
		for {
			n, err := conn.Read(part)
			mu.Lock()
			said.Write(part[:n])
			mu.Unlock()
			if err != nil {
				return
			}
		}
	})
	return func() string {
		mu.Lock()
		defer mu.Unlock()
		return said.String()
	}
}

func TestNoSecretIsInTheDataOrTheLog(t *testing.T) {
	t.Parallel()
	redis := redisdbtest.Start(t)
	heard := watched(t, redis)
	p := startProgram(t, "--log-level", "trace", "--redis-url", redis.URL())
	secrets := map[string]string{}
	for i, who := range p.people(t, "user", 4) {
		secrets[fmt.Sprint("password ", i)] = "a long passphrase of " + who.name
		secrets[fmt.Sprint("address of the log ", i)] = who.name + "@example.org"
		again := p.login(t, who)
		for range 50 {
			secrets["access "+again.token] = again.token
			secrets["refresh "+again.refresh] = strings.TrimPrefix(again.refresh, "chatd_rt_")
			next, err := p.renew(t, again.refresh)
			if err != nil {
				t.Fatal(err)
			}
			again = next
		}
		_ = p.dial(t, person{token: again.token})
		_, _ = p.renew(t, who.refresh)
		_, _ = p.renew(t, "chatd_rt_"+who.token)
	}
	ada := p.register(t, "ada")
	room := p.group(t, ada)
	for range 2 {
		_, code := p.invite(t, ada, room, nil)
		secrets["code "+code] = code
		if err := p.gql(t.Context(), p.register(t, "u"+strings.ToLower(code[:8])).token, byInviteDoc, vars("k", code), nil); err != nil {
			t.Fatal(err)
		}
	}
	factor := p.secure(t, ada)
	for i, code := range append(factor.recovery, factor.secret) {
		secrets[fmt.Sprint("second factor ", i)] = code
	}
	_, text := p.personal(t, ada, "", "READ")
	secrets["personal token"] = strings.TrimPrefix(text, "chatd_pat_")
	_ = p.dial(t, person{token: text})
	_ = p.ask(t, "", totpLogin, totpVars(ada, factor.recovery[0]))
	if err := p.gql(t.Context(), ada.token, `mutation { logoutEverywhere { ok } }`, nil, nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, "what Redis is told of ended sessions", func() bool { return strings.Contains(heard(), "auth/ended") })
	for what, s := range secrets {
		if strings.Contains(heard(), s) {
			t.Errorf("Redis was told %.20s", what)
		}
	}
	if len(secrets) < 200 || !strings.Contains(heard(), "limit:auth/login") {
		t.Errorf("%d secrets; Redis was told %.2000s", len(secrets), heard())
	}
	files := 0
	err := filepath.WalkDir(filepath.Dir(p.dir), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		b, err := io.ReadAll(f)
		if err != nil {
			return err
		}
		files++
		for what, s := range secrets {
			raw, _ := b64.DecodeString(s)
			if strings.Contains(what, "address") && path != p.logFile() {
				continue // the store has addresses, of course
			}
			if strings.Contains(string(b), s) || len(raw) > 32 && strings.Contains(string(b), string(raw[:52])) {
				t.Errorf("%.20s is in %s", what, filepath.Base(path))
			}
		}
		return nil
	})
	if err != nil || files < 3 {
		t.Fatalf("%d files, %v", files, err)
	}
}
