package authhttp_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"chatd/internal/auth"
	"chatd/internal/auth/authhttp"
	"chatd/internal/platform/errs"
	"chatd/internal/platform/passwords"
)

// accounts answers with err and remembers what it was asked.
type accounts struct {
	err   error
	asked []string
}

func (a *accounts) ResetByLink(_ context.Context, token, password string) error {
	a.asked = append(a.asked, token+" "+password)
	return a.err
}

func (a *accounts) VerifyEmail(_ context.Context, token string) error {
	a.asked = append(a.asked, token)
	return a.err
}

func ask(t *testing.T, h http.Handler, method, target, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	head := w.Header()
	if policy := head.Get("Content-Security-Policy"); method != http.MethodPut && (head.Get("Cache-Control") != "no-store" ||
		head.Get("Referrer-Policy") != "no-referrer" || !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe")) {
		t.Errorf("%s %s: headers %v", method, target, head)
	}
	return w
}

func TestAPageSpendsNothingUntilItsButtonIsPressed(t *testing.T) {
	t.Parallel()
	a := &accounts{}
	pages := authhttp.New(a, zerolog.Nop())
	for path, h := range map[string]http.Handler{auth.ResetPath: pages.Reset(), auth.VerifyPath: pages.Verify()} {
		for range 20 {
			if w := ask(t, h, http.MethodGet, path+"?token=abc_-1", ""); w.Code != 200 || !strings.Contains(w.Body.String(), `value="abc_-1"`) ||
				!strings.Contains(w.Body.String(), `action="`+path+`"`) || strings.Contains(w.Body.String(), "<script") {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
		}
		if w := ask(t, h, http.MethodHead, path+"?token=abc", ""); w.Code != 200 || w.Body.Len() != 0 {
			t.Errorf("HEAD: %d %s", w.Code, w.Body)
		}
		if w := ask(t, h, http.MethodGet, path, ""); w.Code != 200 || strings.Contains(w.Body.String(), "<form") {
			t.Errorf("without a token: %s", w.Body)
		}
		if w := ask(t, h, http.MethodPut, path+"?token=abc", "token=abc"); w.Code != http.StatusMethodNotAllowed {
			t.Errorf("PUT: %d", w.Code)
		}
		if w := ask(t, h, http.MethodGet, path+"?token="+url.QueryEscape(`"><img src=x>`), ""); strings.Contains(w.Body.String(), "<img") {
			t.Errorf("markup: %s", w.Body)
		}
	}
	if len(a.asked) != 0 {
		t.Fatalf("asked %q", a.asked)
	}
	if w := ask(t, pages.Reset(), http.MethodPost, auth.ResetPath+"?token=other", "token=abc&newPassword=a+long+one"); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := ask(t, pages.Verify(), http.MethodPost, auth.VerifyPath, "token=def"); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if strings.Join(a.asked, "|") != "abc a long one|def" {
		t.Errorf("asked %q", a.asked)
	}
}

func TestAPageSaysWhatIsWrongAndNoMore(t *testing.T) {
	t.Parallel()
	const post = "token=abc&newPassword=short"
	for name, c := range map[string]struct {
		err    error
		status int
		says   string
		again  bool
	}{
		"a short password": {passwords.ErrBadLength.With(errs.Field("newPassword")), 400, "10 to 128", true},
		"a bad link":       {auth.ErrBadLink, 400, "not valid", false},
		"a fault within":   {errors.New("canary"), 500, "went wrong", true},
		"a busy server":    {passwords.ErrBusy, 503, "", true},
	} {
		w := ask(t, authhttp.New(&accounts{err: c.err}, zerolog.Nop()).Reset(), http.MethodPost, auth.ResetPath, post)
		body := w.Body.String()
		if w.Code != c.status || !strings.Contains(body, c.says) || strings.Contains(body, "canary") || strings.Contains(body, `value="short"`) ||
			c.again != strings.Contains(body, "<form") {
			t.Errorf("%s: %d %s", name, w.Code, body)
		}
	}
	w := ask(t, authhttp.New(&accounts{}, zerolog.Nop()).Reset(), http.MethodPost, auth.ResetPath, "token="+strings.Repeat("x", 100_000))
	if w.Code != 400 {
		t.Errorf("a long form: %d", w.Code)
	}
}
