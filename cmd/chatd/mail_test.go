package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"chatd/internal/platform/mail/mailtest"
	"chatd/internal/platform/testenv"
)

const (
	requestResetDoc  = `mutation($e: String!) { requestPasswordReset(input: {email: $e}) { ok } }`
	resetPasswordDoc = `mutation($t: String!, $p: String!) { resetPassword(input: {token: $t, newPassword: $p}) { ok } }`
	requestVerifyDoc = `mutation { requestEmailVerification { ok } }`
	verifyEmailDoc   = `mutation($t: String!) { verifyEmail(input: {token: $t}) { ok } }`
	changeEmailDoc   = `mutation($e: String!, $p: String!) { changeEmail(input: {email: $e, password: $p}) { ok } }`
	changeNameDoc    = `mutation($u: String!, $p: String!) { changeUsername(input: {username: $u, password: $p}) { user { id username } } }`
	registerDoc      = `mutation($i: RegisterInput!) { register(input: $i) { user { id } accessToken } }`
	nextPass         = "another long passphrase"
)

var asForm = map[string]string{"Content-Type": "application/x-www-form-urlencoded"}

var linkIn = regexp.MustCompile(`(https?://\S+)/(reset-password|verify-email)\?token=([A-Za-z0-9_-]+)`)

// tokenOf is the token of the link in a mail, which leads to the site.
func tokenOf(t testing.TB, m mailtest.Message, site string) string {
	t.Helper()
	found := linkIn.FindStringSubmatch(m.Text)
	if found == nil || found[1] != site || !strings.Contains(m.HTML, found[3]) {
		t.Fatalf("a link to %s is not in\n%s\n%s", site, m.Text, m.HTML)
	}
	return found[3]
}

// withMail are the arguments of a program that sends mail to a server.
func withMail(s *mailtest.Server, more ...string) []string {
	return append([]string{"--smtp-url", s.URL(), "--mail-from", "Chat <chat@example.net>"}, more...)
}

func (p *program) mustDo(t testing.TB, token, doc string, v map[string]any) {
	t.Helper()
	if err := p.gql(t.Context(), token, doc, v, nil); err != nil {
		t.Fatal(err)
	}
}

// A forgotten password, from the request to the sign-in, by mail over SMTP.
func TestAForgottenPasswordIsResetByMail(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, args []string) {
		s := mailtest.Start(t, mailtest.Config{User: "chat", Password: "sesame"})
		const site = "https://chat.example.org"
		p := startProgram(t, append(withMail(s, "--public-url", site), args...)...)
		ada := p.register(t, "ada")
		socket := p.dial(t, ada)
		p.mustDo(t, "", requestResetDoc, vars("e", "ADA@example.org"))
		m := s.Await(t, 1)[0]
		if !slices.Equal(m.To, []string{"ada@example.org"}) {
			t.Fatalf("%s", m.Raw)
		}
		token := tokenOf(t, m, site)
		for range 20 { // what scanners of mail do
			r := p.do(t, http.MethodGet, "/reset-password?token="+token, nil, nil)
			if r.status != 200 || !strings.Contains(r.body, `value="`+token+`"`) || r.header.Get("Referrer-Policy") != "no-referrer" ||
				r.header.Get("Cache-Control") != "no-store" || !strings.Contains(r.header.Get("Content-Security-Policy"), "default-src 'none'") {
				t.Fatal(r)
			}
		}
		form := url.Values{"token": {token}, "newPassword": {nextPass}}.Encode()
		post := func() reply {
			return p.do(t, http.MethodPost, "/reset-password", asForm, strings.NewReader(form))
		}
		if r := post(); r.status != 200 || !strings.Contains(r.body, "is set") {
			t.Fatal(r)
		}
		p.mustBeOver(t, ada, socket)
		if r := post(); r.status != 400 || !strings.Contains(r.body, "not valid") {
			t.Errorf("a second time: %v", r)
		}
		if err := p.signIn(t, "ada"); codeOf(err) != "UNAUTHENTICATED" {
			t.Errorf("the old password: %v", err)
		}
		p.mustDo(t, "", `mutation { login(input: {login: "ada", password: "`+nextPass+`"}) { user { id } } }`, nil)
		if notice := s.Await(t, 2)[1]; linkIn.MatchString(notice.Text) || !strings.Contains(notice.Header.Get("Subject"), "reset") {
			t.Errorf("the notice: %s", notice.Raw)
		}
		p.logHasNone(t, "ada@example.org", token, nextPass)
	})
}

// logHasNone fails when a text is in the program's log, or when a token is as it
// is in the data of an embedded store.
func (p *program) logHasNone(t testing.TB, texts ...string) {
	t.Helper()
	log, err := os.ReadFile(p.logFile())
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range texts {
		if strings.Contains(string(log), text) {
			t.Errorf("%q is in the log", text)
		}
		for _, name := range []string{databaseFile, databaseFile + "-wal"} {
			if data, err := os.ReadFile(filepath.Join(p.dir, name)); err == nil && !strings.Contains(text, "@") && bytes.Contains(data, []byte(text)) {
				t.Errorf("%q is in %s", text, name)
			}
		}
	}
}

// Whoever asks for a link to another's account must not say where it leads.
func TestLinksLeadToTheConfiguredSiteWhateverARequestSays(t *testing.T) {
	t.Parallel()
	s := mailtest.Start(t, mailtest.Config{})
	const site = "https://chat.example.org"
	p := startProgram(t, append(withMail(s, "--public-url", site+"/"), unlimited...)...)
	p.register(t, "ada")
	body := `{"query":"mutation { requestPasswordReset(input: {email: \"ada@example.org\"}) { ok } }"}`
	sent := 0
	for name, head := range map[string]string{
		"host":            "POST /graphql HTTP/1.1\r\nHost: evil.example\r\n",
		"host with user":  "POST /graphql HTTP/1.1\r\nHost: chat.example.org:80@evil.example\r\n",
		"absolute form":   "POST http://evil.example/graphql HTTP/1.1\r\nHost: chat.example.org\r\n",
		"forwarded host":  "POST /graphql HTTP/1.1\r\nHost: chat.example.org\r\nX-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: gopher\r\nX-Forwarded-Port: 81\r\n",
		"forwarded":       "POST /graphql HTTP/1.1\r\nHost: chat.example.org\r\nForwarded: host=evil.example;proto=gopher\r\n",
		"referer":         "POST /graphql HTTP/1.1\r\nHost: chat.example.org\r\nReferer: https://evil.example/\r\n",
		"original":        "POST /graphql HTTP/1.1\r\nHost: chat.example.org\r\nX-Original-Host: evil.example\r\nX-Host: evil.example\r\nX-Original-URL: https://evil.example/\r\n",
		"no host at all":  "POST /graphql HTTP/1.0\r\n",
		"the right thing": "POST /graphql HTTP/1.1\r\nHost: chat.example.org\r\n",
	} {
		conn, err := net.Dial("tcp", p.addr)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "%sContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", head, len(body), body)
		answer, err := io.ReadAll(conn)
		_ = conn.Close()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(answer), `"ok":true`) {
			sent++
		} else if !strings.Contains(string(answer), " 400 ") {
			t.Errorf("%s: %s", name, answer)
		}
	}
	if sent < 6 {
		t.Fatalf("only %d were answered", sent)
	}
	for _, m := range s.Await(t, sent) {
		tokenOf(t, m, site)
		if strings.Contains(string(m.Raw)+m.Text+m.HTML, "evil") || strings.Contains(m.Text+m.HTML, "gopher") {
			t.Errorf("%s", m.Raw)
		}
	}
}

func TestAnAddressIsProvenChangedAndOldNamesEnd(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, args []string) {
		s := mailtest.Start(t, mailtest.Config{})
		p := startProgram(t, append(withMail(s), args...)...)
		site := "http://" + p.addr
		ada, bob := p.register(t, "ada"), p.register(t, "bob")
		const mine = `{ viewer { user { username } account { email emailVerified } } }`
		says := func(want string) {
			t.Helper()
			if r := p.ask(t, ada.token, mine, nil); !strings.Contains(r.body, want) {
				t.Errorf("%v has not %s", r, want)
			}
		}
		says(`"email":"ada@example.org","emailVerified":false`)
		p.mustDo(t, ada.token, requestVerifyDoc, nil)
		p.mustDo(t, "", verifyEmailDoc, vars("t", tokenOf(t, s.Await(t, 1)[0], site)))
		says(`"email":"ada@example.org","emailVerified":true`)

		if err := p.gql(t.Context(), ada.token, changeEmailDoc, vars("e", "new@example.org", "p", "a wrong passphrase"), nil); codeOf(err) != "BAD_USER_INPUT" {
			t.Errorf("with a wrong password: %v", err)
		}
		p.mustDo(t, ada.token, changeEmailDoc, vars("e", "new@example.org", "p", password("ada")))
		for _, m := range s.Await(t, 3)[1:] {
			switch m.To[0] {
			case "new@example.org":
				r := p.do(t, http.MethodPost, "/verify-email", asForm,
					strings.NewReader("token="+tokenOf(t, m, site)))
				if r.status != 200 {
					t.Fatal(r)
				}
			case "ada@example.org":
			default:
				t.Errorf("mail to %v", m.To)
			}
		}
		says(`"email":"new@example.org","emailVerified":true`)
		if told := s.Await(t, 4)[3]; told.To[0] != "ada@example.org" {
			t.Errorf("mail to %v", told.To)
		}

		if r := p.ask(t, ada.token, changeNameDoc, vars("u", "bob", "p", password("ada"))); r.code() != "CONFLICT" {
			t.Errorf("a name that is taken: %v", r)
		}
		if r := p.ask(t, ada.token, changeNameDoc, vars("u", "Countess", "p", password("ada"))); !strings.Contains(r.body, `"username":"countess"`) {
			t.Error(r)
		}
		says(`"username":"countess"`)
		if r := p.ask(t, bob.token, `{ a: userByUsername(username: "countess") { id } b: userByUsername(username: "ada") { id } searchUsers(query: "count", first: 3) { edges { node { id } } } }`, nil); !strings.Contains(r.body, `"a":{"id":"`+ada.id+`"}`) || !strings.Contains(r.body, `"b":null`) && r.code() != "NOT_FOUND" {
			t.Error(r)
		}
		if err := p.signIn(t, "ada"); codeOf(err) != "UNAUTHENTICATED" {
			t.Errorf("by the old name: %v", err)
		}
		done := map[string]bool{}
		for _, e := range p.audit(t, ada, vars("targetId", ada.id)) { // the first of the server administers it
			done[e.Action] = e.ActorID == ada.id && !strings.Contains(e.Detail, "@")
		}
		if !done["EMAIL_VERIFIED"] || !done["EMAIL_CHANGED"] || !done["USERNAME_CHANGED"] {
			t.Errorf("the audit log has %v", done)
		}
		next := p.register(t, "ada2")
		p.mustDo(t, next.token, changeNameDoc, vars("u", "ada", "p", password("ada2")))
	})
}

// Where addresses must be proven, nobody learns by registering whether one has
// an account, and there is none before its link was opened.
func TestWhereAddressesMustBeProvenRegisteringTellsNothing(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, args []string) {
		s := mailtest.Start(t, mailtest.Config{})
		p := startProgram(t, append(withMail(s, "--verify-email", "required"), args...)...)
		site := "http://" + p.addr
		register := func(name, email string) reply {
			return p.ask(t, "", registerDoc, vars("i", vars("email", email, "username", name, "password", password(name))))
		}
		first := register("ada", "ada@example.org")
		if first.code() != "FAILED_PRECONDITION" || !strings.Contains(first.body, "EMAIL_VERIFICATION_REQUIRED") {
			t.Fatal(first)
		}
		if err := p.signIn(t, "ada"); codeOf(err) != "UNAUTHENTICATED" {
			t.Errorf("before the proof: %v", err)
		}
		p.mustDo(t, "", verifyEmailDoc, vars("t", tokenOf(t, s.Await(t, 1)[0], site)))
		if err := p.signIn(t, "ada"); err != nil {
			t.Fatal(err)
		}
		known, fresh := register("eve", "ADA@example.org"), register("eve", "eve@example.org")
		if known.body != first.body || fresh.body != first.body || known.status != first.status || fresh.status != first.status {
			t.Errorf("known: %v\nnew: %v", known, fresh)
		}
		for _, m := range s.Await(t, 3)[1:] {
			if known := m.To[0] == "ada@example.org"; known == linkIn.MatchString(m.Text) || known != strings.Contains(m.Header.Get("Subject"), "You have an account") {
				t.Errorf("to %v: %s", m.To, m.Text)
			}
		}
		if r := register("ada", "other@example.org"); r.code() != "CONFLICT" {
			t.Errorf("a name that is taken: %v", r)
		}
	})
}

// What is promised outlives the server that promised it and the mail server
// that does not answer.
func TestMailOutlivesKillsOfBothServers(t *testing.T) {
	t.Parallel()
	addr := freeAddr(t)
	p := startProgram(t, "--smtp-url", "smtp://"+addr, "--mail-from", "chat@example.net")
	p.register(t, "ada")
	p.mustDo(t, "", requestResetDoc, vars("e", "ada@example.org"))
	p.awaitLog(t, "a mail was not taken")
	if n := p.metric(t, `chatd_mail_tries_total{end="later"}`); n < 1 {
		t.Errorf("%v tries are counted", n)
	}
	p.kill()
	s := mailtest.Start(t, mailtest.Config{Addr: addr})
	p.start(t)
	m := s.Await(t, 1)[0]
	p.mustDo(t, "", resetPasswordDoc, vars("t", tokenOf(t, m, "http://"+p.addr), "p", nextPass))
	p.logHasNone(t, "ada@")
	await(t, 20*time.Second, "it is counted", func() bool { return p.metric(t, `chatd_mail_tries_total{end="sent"}`) == 1 })
}

func (p *program) awaitLog(t testing.TB, text string) {
	t.Helper()
	for deadline := time.Now().Add(20*time.Second + grace); ; pause(t.Context(), 20*time.Millisecond) {
		if log, err := os.ReadFile(p.logFile()); err == nil && strings.Contains(string(log), text) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the log does not say %s", text)
		}
	}
}

// mailFile waits for the first mail that was written into a file.
func (p *program) mailFile(t testing.TB) (string, mailtest.Message) {
	t.Helper()
	for deadline := time.Now().Add(20*time.Second + grace); ; pause(t.Context(), 20*time.Millisecond) {
		files, err := filepath.Glob(filepath.Join(p.dir, "mail", "*.eml"))
		if err == nil && len(files) > 0 {
			raw, err := os.ReadFile(files[0])
			if err != nil {
				t.Fatal(err)
			}
			m, err := mailtest.Parse(raw)
			if err != nil {
				t.Fatal(err)
			}
			return files[0], m
		}
		if time.Now().After(deadline) {
			t.Fatal("no mail was written")
		}
	}
}

// What is promised goes where the data goes.
func TestPromisedMailMovesWithTheData(t *testing.T) {
	t.Parallel()
	addr := freeAddr(t)
	p := startProgram(t, "--smtp-url", "smtp://"+addr, "--mail-from", "chat@example.net")
	p.register(t, "ada")
	p.mustDo(t, "", requestResetDoc, vars("e", "ada@example.org"))
	p.awaitLog(t, "a mail was not taken")
	kept := filepath.Join(t.TempDir(), "backup")
	does(t, "backup", "--data-dir", p.dir, "--to", kept)
	p.kill()
	back := restored(t, kept)
	_, m := back.mailFile(t)
	back.mustDo(t, "", resetPasswordDoc, vars("t", tokenOf(t, m, "http://"+back.addr), "p", nextPass))

	to := toPlace(t, false)
	does(t, to.moving(p.dir)...)
	s := mailtest.Start(t, mailtest.Config{Addr: addr})
	q := startProgramIn(t, p.dir, append(withMail(s), to...)...)
	q.mustDo(t, "", resetPasswordDoc, vars("t", tokenOf(t, s.Await(t, 1)[0], "http://"+q.addr), "p", nextPass))
}

func TestWithoutAMailServerEachMailIsAFileThatTheLogNames(t *testing.T) {
	t.Parallel()
	p := startProgram(t)
	p.register(t, "ada")
	p.mustDo(t, "", requestResetDoc, vars("e", "ada@example.org"))
	file, m := p.mailFile(t)
	if m.Header.Get("To") != "<ada@example.org>" {
		t.Fatalf("%s", m.Raw)
	}
	token := tokenOf(t, m, "http://"+p.addr)
	p.mustDo(t, "", resetPasswordDoc, vars("t", token, "p", nextPass))
	p.awaitLog(t, filepath.Base(file))
	p.logHasNone(t, "ada@", token)
}

func TestTheCheckTellsInOneLineWhatIsWrongWithTheMailServer(t *testing.T) {
	t.Parallel()
	good := mailtest.Start(t, mailtest.Config{User: "chat", Password: hidden})
	for name, c := range map[string]struct{ url, says string }{
		"nobody listens":   {"smtp://chat:" + hidden + "@" + freeAddr(t), "connection refused"},
		"a wrong password": {strings.Replace(good.URL(), hidden, hidden+"x", 1), "535"},
		"no TLS":           {"smtps://chat:" + hidden + "@" + good.Addr, "tls"},
	} {
		var out bytes.Buffer
		err := run(t.Context(), []string{"config", "check", "--smtp-url", c.url, "--mail-from", "chat@example.net", "--data-dir", t.TempDir()}, nil, &out)
		if err == nil || !strings.Contains(err.Error(), "--smtp-url (CHATD_SMTP_URL): reach the mail server") || !strings.Contains(err.Error(), c.says) ||
			strings.Contains(err.Error()+out.String(), hidden) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v\n%s", name, err, out.String())
		}
	}
	var out bytes.Buffer
	err := run(t.Context(), []string{"config", "check", "--smtp-url", good.URL(), "--mail-from", "chat@example.net", "--data-dir", t.TempDir()}, nil, &out)
	if err != nil || !strings.Contains(out.String(), "smtp-url: reached") || len(good.Took()) != 0 {
		t.Errorf("%v\n%s", err, out.String())
	}
}

// What a stranger is told, and with which headers, is the same for an address
// or a name that has an account and one that has none.
func TestAnswersTellNobodyWhoHasAnAccount(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, args []string) {
		s := mailtest.Start(t, mailtest.Config{})
		p := startProgram(t, append(withMail(s), args...)...)
		root, gone := p.register(t, "root"), p.register(t, "gone")
		p.bot(t, root, "robot")
		p.mustDo(t, root.token, suspendDoc, vars("u", gone.id))
		enlisting := startProgramIn(t, filepath.Join(t.TempDir(), "data"), append(withMail(s, "--verify-email", "required"), unlimited...)...)
		does(t, "user", "create", "--username", "root", "--email", "root@example.org", "--generate", "--data-dir", enlisting.dir)
		login := func(name string) reply {
			return p.ask(t, "", `mutation($l: String!) { login(input: {login: $l, password: "a wrong passphrase"}) { accessToken } }`, vars("l", name))
		}
		reset := func(email string) reply { return p.ask(t, "", requestResetDoc, vars("e", email)) }
		used := p.ask(t, "", resetPasswordDoc, vars("t", "x", "p", nextPass))
		for what, c := range map[string][2]reply{
			"login by name":               {login("root"), login("nobody")},
			"login by address":            {login("root@example.org"), login("nobody@example.org")},
			"login of a suspended one":    {login("gone"), login("nobody")},
			"login of a bot":              {login("robot"), login("nobody")},
			"reset":                       {reset("root@example.org"), reset("nobody@example.org")},
			"reset in another spelling":   {reset("ROOT@EXAMPLE.ORG"), reset("nobody@example.org")},
			"reset of a suspended one":    {reset("gone@example.org"), reset("nobody@example.org")},
			"reset by a link of nobody's": {used, p.ask(t, "", resetPasswordDoc, vars("t", strings.Repeat("x", 43), "p", nextPass))},
			"register": {
				enlisting.ask(t, "", registerDoc, vars("i", vars("email", "root@example.org", "username", "eve", "password", nextPass))),
				enlisting.ask(t, "", registerDoc, vars("i", vars("email", "eve@example.org", "username", "eve", "password", nextPass))),
			},
		} {
			known, unknown := c[0], c[1]
			if known.body == "" || known.body != unknown.body || known.status != unknown.status || headers(known) != headers(unknown) {
				t.Errorf("%s: %v %s\nof nobody: %v %s", what, known, headers(known), unknown, headers(unknown))
			}
		}
		for _, m := range s.Await(t, 4) { // two resets, two registrations
			if to := m.To[0]; to != "root@example.org" && to != "eve@example.org" {
				t.Errorf("mail to %s", to)
			}
		}
		a, b := len(p.audit(t, root, vars("actions", []string{"PASSWORD_RESET_BY_MAIL", "EMAIL_VERIFIED"}))), 0
		if a != b {
			t.Errorf("%d entries of what was not done", a)
		}
	})
}

// headers are those of an answer, but for what differs each time.
func headers(r reply) string {
	h := r.header.Clone()
	h.Del("X-Request-Id")
	h.Del("Date")
	return fmt.Sprint(h) // fmt sorts maps
}

// mailPages opens what links in mails lead to in a browser without scripts.
func (js nodeScripts) mailPages(t *testing.T) {
	t.Parallel()
	chromium := testenv.Tool(t, "chromium")
	s := mailtest.Start(t, mailtest.Config{})
	p := startProgram(t, append(withMail(s), unlimited...)...)
	ada := p.register(t, "ada")
	p.mustDo(t, ada.token, requestVerifyDoc, nil)
	site := "http://" + p.addr
	browse := func(path string, m mailtest.Message, args ...string) (said struct {
		Before, After, Address, Color string
		Faults                        []string
	},
	) {
		t.Helper()
		c := exec.CommandContext(t.Context(), js.node, append([]string{"links.mjs", site + path + "?token=" + tokenOf(t, m, site), chromium}, args...)...)
		c.Dir = js.dir
		var complaints bytes.Buffer
		c.Stderr = &complaints
		out, err := c.Output()
		if err != nil {
			t.Fatalf("%v\n%s%s", err, out, complaints.String())
		}
		if err := json.Unmarshal(out, &said); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if said.Address != site+path || len(said.Faults) > 0 || said.Color != "rgb(31, 94, 255)" {
			t.Errorf("%+v", said)
		}
		return said
	}
	if said := browse("/verify-email", s.Await(t, 1)[0]); said.Before == said.After || !strings.Contains(said.After, "is confirmed") {
		t.Errorf("%+v", said)
	}
	p.mustDo(t, "", requestResetDoc, vars("e", "ada@example.org"))
	if said := browse("/reset-password", s.Await(t, 2)[1], nextPass); said.Before == said.After || !strings.Contains(said.After, "is set") {
		t.Errorf("%+v", said)
	}
	p.mustDo(t, "", `mutation { login(input: {login: "ada", password: "`+nextPass+`"}) { user { id } } }`, nil)
}
