package redisdb

import (
	"errors"
	"testing"
)

func TestAURLSaysWhereAndWho(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]address{
		"redis://host":                          {network: "tcp", host: "host:6379"},
		"redis://host/":                         {network: "tcp", host: "host:6379"},
		"redis://host:1/2":                      {network: "tcp", host: "host:1", db: 2},
		"redis://host/2?db=3":                   {network: "tcp", host: "host:6379", db: 3},
		"redis://[::1]":                         {network: "tcp", host: "[::1]:6379"},
		"redis://[::1]:7":                       {network: "tcp", host: "[::1]:7"},
		"redis://:p%2Fw%40d@host":               {network: "tcp", host: "host:6379", password: "p/w@d"},
		"redis://user:word@host":                {network: "tcp", host: "host:6379", user: "user", password: "word"},
		"valkey://user@host":                    {network: "tcp", host: "host:6379", user: "user"},
		"unix:///run/redis.sock":                {network: "unix", host: "/run/redis.sock"},
		"unix://user:word@/run/redis.sock?db=4": {network: "unix", host: "/run/redis.sock", user: "user", password: "word", db: 4},
	} {
		if got, err := (Config{URL: url}).address(); err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", url, got, err, want)
		}
	}
	for url, skips := range map[string]bool{
		"rediss://host:1":                    false,
		"rediss://host:1?skip_verify":        true,
		"rediss://host:1?skip_verify=true":   true,
		"valkeys://host:1?skip_verify=false": false,
	} {
		got, err := (Config{URL: url}).address()
		if err != nil || got.tls == nil || got.tls.ServerName != "host" || got.tls.InsecureSkipVerify != skips {
			t.Errorf("%s: %+v, %v", url, got, err)
		}
	}
	for _, url := range []string{
		"", "host:6379", "http://host", "redis://", "redis://:1", "redis:///2", "unix://", "redis://host/x", "redis://host/1/2",
		"redis://host/-1", "redis://host?db=x", "rediss://host?skip_verify=perhaps", "redis://host?addr=other",
	} {
		if got, err := (Config{URL: url}).address(); !errors.Is(err, errURL) {
			t.Errorf("%s: %+v, %v", url, got, err)
		}
	}
}

func TestWhatIsAddedToWhatHasEndedEnds(t *testing.T) {
	t.Parallel()
	var e ends
	ended := map[string]int{}
	add := func(name string) (forget func()) { return e.add(func() { ended[name]++ }) }
	add("before")
	add("forgotten")()
	e.close()
	add("after")
	if len(ended) != 2 || ended["before"] != 1 || ended["after"] != 1 {
		t.Error(ended)
	}
}
