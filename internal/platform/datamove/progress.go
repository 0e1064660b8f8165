package datamove

import (
	"fmt"
	"io"
	"time"
)

// progress tells how far something long has come: a line a second, which on a
// terminal replaces the one before.
type progress struct {
	out      io.Writer
	terminal bool
	what     string
	done     int64
	all      int64
	first    int64 // done at begun
	begun    time.Time
	told     time.Time
	err      error // of out, told by the next end or line
}

func newProgress(out io.Writer, terminal bool) *progress {
	return &progress{out: out, terminal: terminal}
}

// begin begins something of which some is done already.
func (p *progress) begin(what string, done, all int64) {
	p.what, p.done, p.first, p.all = what, done, done, all
	p.begun, p.told = time.Now(), time.Now()
}

// turnTo ends what is under way and begins the next, unless it is that.
func (p *progress) turnTo(what string, done, all int64) {
	if p.what == what {
		return
	}
	if p.what != "" {
		_ = p.end("")
	}
	p.begin(what, done, all)
}

func (p *progress) add(n int) {
	p.done += int64(n)
	if time.Since(p.told) >= time.Second {
		p.told = time.Now()
		p.tell(p.text(fmt.Sprintf(" of %d", p.all)), false)
	}
}

// end tells that it is done, with something more to say of it.
func (p *progress) end(more string) error {
	if p.what != "" || more != "" {
		p.tell(p.text("")+more, true)
	}
	p.what = ""
	return p.err
}

func (p *progress) text(of string) string {
	text := fmt.Sprintf("  %-30s %d%s", p.what, p.done, of)
	if since := time.Since(p.begun); since > 100*time.Millisecond {
		text += fmt.Sprintf(", %.0f/s", float64(p.done-p.first)/since.Seconds())
	}
	return text
}

func (p *progress) tell(text string, last bool) {
	format := "%s\n"
	switch {
	case p.terminal && last:
		format = "\r%s\x1b[K\n"
	case p.terminal:
		format = "\r%s\x1b[K"
	}
	if _, err := fmt.Fprintf(p.out, format, text); p.err == nil {
		p.err = err
	}
}

// line says something else.
func (p *progress) line(format string, args ...any) error {
	p.tell(fmt.Sprintf(format, args...), true)
	return p.err
}
