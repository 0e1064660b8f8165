package authhttp

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"net/http"

	"github.com/rs/zerolog"

	"chatd/internal/auth"
	"chatd/internal/platform/errs"
	"chatd/internal/platform/principal"
)

//go:embed page.html
var pageText string

const (
	style = "body{margin:0;background:#f4f5f7;color:#1c1e21;font:16px/1.5 system-ui,sans-serif}" +
		"main{max-width:26em;margin:3em auto;padding:1.5em;background:#fff;border-radius:8px}" +
		"h1{margin-top:0;font-size:1.4em}input{width:100%;box-sizing:border-box;padding:.5em;font:inherit}" +
		"button{padding:.6em 1.2em;border:0;border-radius:6px;background:#1f5eff;color:#fff;font:inherit}" +
		"[role=alert]{color:#a30000}"
	maxForm = 16 << 10
)

// Accounts is what the pages are a face of.
type Accounts interface {
	ResetByLink(ctx context.Context, token, password string) error
	VerifyEmail(ctx context.Context, token string) error
}

// Pages serves both pages.
type Pages struct {
	accounts Accounts
	log      zerolog.Logger
	page     *template.Template
	policy   string
}

// New makes the pages.
func New(accounts Accounts, log zerolog.Logger) *Pages {
	sum := sha256.Sum256([]byte(style))
	return &Pages{
		accounts: accounts, log: log,
		page: template.Must(template.New("page").Parse(pageText)),
		policy: "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; " +
			"form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
	}
}

// view is what a page shows.
type view struct {
	Title, Error, Text string
	Path, Token        string
	Button             string // no form when empty
	Password           bool
	Style              template.CSS
}

// Reset serves the page at auth.ResetPath.
func (p *Pages) Reset() http.Handler {
	form := view{
		Title: "Choose another password", Path: auth.ResetPath, Button: "Set the password", Password: true,
		Text: "10 to 128 characters. All your devices are signed out by it.",
	}
	return p.serve(form, view{Title: "Your password is set", Text: "Sign in with it. All devices were signed out."},
		func(r *http.Request) error {
			return p.accounts.ResetByLink(r.Context(), r.PostFormValue("token"), r.PostFormValue("newPassword"))
		})
}

// Verify serves the page at auth.VerifyPath.
func (p *Pages) Verify() http.Handler {
	form := view{Title: "Confirm your address", Path: auth.VerifyPath, Button: "Confirm", Text: "One step is left: confirm that this address is yours."}
	return p.serve(form, view{Title: "Your address is confirmed", Text: "You can close this page and sign in."},
		func(r *http.Request) error { return p.accounts.VerifyEmail(r.Context(), r.PostFormValue("token")) })
}

// serve shows a form, and does what it is for when it is posted.
func (p *Pages) serve(form, done view, do func(*http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		show := form
		switch r.Method {
		case http.MethodGet, http.MethodHead:
			if show.Token = r.URL.Query().Get("token"); show.Token == "" {
				show = view{Title: form.Title, Error: "The address of this page is not whole. Open the link in the mail again."}
			}
			p.write(w, r, http.StatusOK, show)
		case http.MethodPost:
			r.Body = http.MaxBytesReader(w, r.Body, maxForm)
			if err := r.ParseForm(); err != nil {
				p.write(w, r, http.StatusBadRequest, view{Title: form.Title, Error: "This is not what the page sends."})
				return
			}
			if err := do(r); err != nil {
				p.refuse(w, r, form, err)
				return
			}
			p.write(w, r, http.StatusOK, done)
		default:
			w.Header().Set("Allow", "GET, HEAD, POST")
			http.Error(w, "only GET, HEAD and POST", http.StatusMethodNotAllowed)
		}
	})
}

// refuse shows what was wrong, with the form again where another try may help.
func (p *Pages) refuse(w http.ResponseWriter, r *http.Request, form view, err error) {
	form.Token = r.PostFormValue("token")
	status := http.StatusBadRequest
	e := errs.Of(err)
	switch {
	case e == nil || e.Kind() == errs.Internal:
		p.log.Error().Err(err).Str("request_id", principal.RequestID(r.Context())).Str("path", form.Path).Msg("a page failed")
		status, form.Error = http.StatusInternalServerError, "Something went wrong. Try again."
	case e.Kind() == errs.Unavailable || e.Kind() == errs.RateLimited:
		status, form.Error = http.StatusServiceUnavailable, e.Public()
	default:
		form.Error = e.Public()
		if e.Extensions()["field"] != "newPassword" {
			form.Button = "" // the link is no good
			form.Text = ""
		}
	}
	p.write(w, r, status, form)
}

func (p *Pages) write(w http.ResponseWriter, r *http.Request, status int, v view) {
	v.Style = style
	var page bytes.Buffer
	if err := p.page.Execute(&page, v); err != nil {
		panic(err) // a template of ours and texts
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", p.policy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(page.Bytes())
	}
}
