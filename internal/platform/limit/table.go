package limit

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Row is a budget of a Table, and for people: whose it is, and of what.
type Row struct {
	Budget
	Whose, What string
}

// Table is all budgets of a program.
type Table []Row

// Budget returns the budget of a name. It panics when there is none, which is
// a mistake of the program.
func (t Table) Budget(name string) Budget {
	for _, r := range t {
		if r.Name == name {
			return r.Budget
		}
	}
	panic("limit: there is no budget " + name)
}

// With returns the table with settings, as "sends=200/50ms" or "sends=off",
// in the place of what it says; the last of a name counts. The error says what
// would be right.
func (t Table) With(settings []string) (Table, error) {
	t = slices.Clone(t)
	for _, setting := range settings {
		name, text, _ := strings.Cut(setting, "=")
		i := slices.IndexFunc(t, func(r Row) bool { return r.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("%q is none of the limits: %s", name, strings.Join(t.names(), ", "))
		}
		rate, ok := parseRate(text)
		if !ok {
			return nil, fmt.Errorf("%q is no limit; write %s=%s for %d at once and one more each %s, or %s=off",
				setting, name, t[i].Rate, t[i].Burst, t[i].Per, name)
		}
		t[i].Rate = rate
	}
	return t, nil
}

func (t Table) names() (names []string) {
	for _, r := range t {
		names = append(names, r.Name)
	}
	return names
}

// String writes a rate as With reads it: burst/per, or off.
func (r Rate) String() string {
	if r.Unlimited() {
		return "off"
	}
	per := r.Per.String()
	for _, zero := range []string{"0s", "0m"} { // 20m0s is 20m
		if cut, ok := strings.CutSuffix(per, zero); ok && cut != "" && strings.HasSuffix(cut, map[string]string{"0s": "m", "0m": "h"}[zero]) {
			per = cut
		}
	}
	return strconv.Itoa(r.Burst) + "/" + per
}

// The bounds of a rate that is set: what both ways of counting can hold.
const (
	mostBurst = 1_000_000
	leastPer  = time.Microsecond
	mostPer   = 24 * time.Hour
)

func parseRate(text string) (Rate, bool) {
	if text == "off" {
		return Never(), true
	}
	burst, per, _ := strings.Cut(text, "/")
	n, err := strconv.Atoi(burst)
	if err != nil || n < 1 || n > mostBurst {
		return Rate{}, false
	}
	d, err := time.ParseDuration(per)
	return Rate{Burst: n, Per: d}, err == nil && d >= leastPer && d <= mostPer
}
