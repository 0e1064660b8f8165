package limit_test

import (
	"strings"
	"testing"
	"time"

	"chatd/internal/platform/limit"
)

func TestASettingStandsInThePlaceOfTheDefault(t *testing.T) {
	t.Parallel()
	table := limit.Table{
		{Budget: limit.Budget{Name: "sends", Rate: limit.Rate{Burst: 200, Per: 50 * time.Millisecond}}},
		{Budget: limit.Budget{Name: "mails", Rate: limit.Rate{Burst: 3, Per: 20 * time.Minute}}},
	}
	set, err := table.With([]string{"sends=7/1m30s", "mails=off", "sends=8/2h"})
	if err != nil || set.Budget("sends").Rate != (limit.Rate{Burst: 8, Per: 2 * time.Hour}) || !set.Budget("mails").Unlimited() {
		t.Fatalf("%+v %v", set, err)
	}
	if table.Budget("sends").Burst != 200 {
		t.Error("the table itself was changed")
	}
	for _, bad := range []string{
		"", "sends", "sends=", "sends=7", "sends=7/", "sends=/1s", "sends=0/1s", "sends=-1/1s", "sends=7/0s", "sends=7/-1s", "sends=7/1",
		"sends=7/1ns", "sends=7/48h", "sends=2000000/1s", "sends=7/1s/2", "Sends=7/1s", "other=7/1s", "sends=OFF",
	} {
		if _, err := table.With([]string{bad}); err == nil || !strings.Contains(err.Error(), "sends") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	for text, rate := range map[string]limit.Rate{
		"200/50ms": table[0].Rate, "3/20m": table[1].Rate, "off": limit.Never(), "8/2h": {Burst: 8, Per: 2 * time.Hour},
		"1/1m30s": {Burst: 1, Per: 90 * time.Second}, "1/10s": {Burst: 1, Per: 10 * time.Second}, "1/1h0m5s": {Burst: 1, Per: time.Hour + 5*time.Second},
	} {
		if got := rate.String(); got != text {
			t.Errorf("%s, wanted %s", got, text)
		}
		if set, err := table.With([]string{"sends=" + text}); err != nil || set.Budget("sends").Rate != rate {
			t.Errorf("%s is not read as it is written: %v", text, err)
		}
	}
}
