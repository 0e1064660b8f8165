package mail

import (
	"bytes"
	"embed"
	"fmt"
	htmltemplate "html/template"
	"strings"
	texttemplate "text/template"
	"unicode"
)

//go:embed templates
var templates embed.FS

var (
	htmlLayout = htmltemplate.Must(htmltemplate.ParseFS(templates, "templates/layout.html")) //nolint:gochecknoglobals // A template, read once.
	textLayout = texttemplate.Must(texttemplate.ParseFS(templates, "templates/layout.txt"))  //nolint:gochecknoglobals // As above.
)

// Content is what a message says, without its form.
type Content struct {
	Subject  string
	Greeting string   // its own line at the top
	Lines    []string // paragraphs
	Link     string   // where Button leads; none when empty
	Button   string
	After    []string // paragraphs in small print
	Site     string   // the server's address
}

// Render gives the plain and the HTML form of c. Every text is text in both:
// markup in it is shown, and it cannot begin a line or a header of its own.
func Render(c Content) (text, html string, err error) {
	c = cleaned(c)
	var t, h bytes.Buffer
	if err := textLayout.Execute(&t, c); err != nil {
		return "", "", fmt.Errorf("render a mail as text: %w", err)
	}
	if err := htmlLayout.Execute(&h, c); err != nil {
		return "", "", fmt.Errorf("render a mail as HTML: %w", err)
	}
	return t.String(), h.String(), nil
}

func cleaned(c Content) Content {
	c.Subject, c.Greeting, c.Button, c.Link, c.Site = plain(c.Subject), plain(c.Greeting), plain(c.Button), plain(c.Link), plain(c.Site)
	c.Lines, c.After = plainEach(c.Lines), plainEach(c.After)
	return c
}

func plainEach(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = plain(s)
	}
	return out
}

// plain puts a text on one line: what would end it, or turn its direction
// around, is a space.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r) || unicode.Is(unicode.Bidi_Control, r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
}

// domain is what follows the @ of an address.
func domain(address string) string {
	_, after, _ := strings.Cut(address, "@")
	return after
}
