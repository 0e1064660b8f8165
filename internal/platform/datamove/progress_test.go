package datamove

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestProgressIsALineASecond(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		terminal bool
		want     string
	}{
		"in a log": {false, "" +
			"  copying things                 150 of 400, 50/s\n" +
			"  copying things                 200 of 400, 50/s\n" +
			"  copying things                 400 of 400, 75/s\n" +
			"  copying things                 400, 75/s, and so on\n" +
			"  copying few                    3\n" +
			"done\n"},
		"on a terminal": {true, "" +
			"\r  copying things                 150 of 400, 50/s\x1b[K" +
			"\r  copying things                 200 of 400, 50/s\x1b[K" +
			"\r  copying things                 400 of 400, 75/s\x1b[K" +
			"\r  copying things                 400, 75/s, and so on\x1b[K\n" +
			"\r  copying few                    3\x1b[K\n" +
			"\rdone\x1b[K\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var out strings.Builder
				p := newProgress(&out, c.terminal)
				p.begin("copying things", 100, 400)
				for range 10 {
					time.Sleep(200 * time.Millisecond) //nolint:forbidigo // The bubble's time.
					p.add(10)
				}
				time.Sleep(2 * time.Second) //nolint:forbidigo // As above.
				p.add(200)
				if err := p.end(", and so on"); err != nil {
					t.Error(err)
				}
				p.turnTo("copying few", 0, 3)
				p.turnTo("copying few", 0, 3)
				p.add(3)
				_ = p.end("")
				_ = p.end("")
				_ = p.line("%s", "done")
				if out.String() != c.want {
					t.Errorf("%q\nwant\n%q", out.String(), c.want)
				}
			})
		})
	}
}
