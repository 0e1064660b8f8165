package main

import (
	"maps"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"chatd/internal/platform/mongodb/mongodbtest"
	"chatd/internal/platform/redisdb"
	"chatd/internal/platform/redisdb/redisdbtest"
)

func TestARedisThatCannotBeUsedIsToldInOneLine(t *testing.T) {
	t.Parallel()
	s := redisdbtest.Start(t, "--requirepass", hidden)
	host := strings.TrimPrefix(s.URL(), "redis://")
	url := func(host, more string) string { return "redis://:" + hidden + "@" + host + more }
	_, crt, key := certificate(t, "127.0.0.1")
	_, secure, _ := strings.Cut(freeAddr(t), ":")
	redisdbtest.Start(t, "--requirepass", hidden, "--tls-port", secure,
		"--tls-cert-file", inFile(t, crt), "--tls-key-file", inFile(t, key), "--tls-auth-clients", "no")
	secured := "127.0.0.1:" + secure
	replica := redisdbtest.Start(t, "--replicaof", "127.0.0.1 "+strconv.Itoa(s.Port()), "--masterauth", hidden)
	weak := redisdbtest.Start(t)
	weak.Do(t, "ACL", "SETUSER", "weak", "on", ">"+hidden, "~*", "&*", "+@connection")
	version, err := redisdb.Check(t.Context(), redisdb.Config{URL: url(host, "")})
	if err != nil {
		t.Fatal(err)
	}
	full := redisdbtest.Start(t, "--maxmemory", "1", "--maxmemory-policy", "noeviction")
	mustBeRefused(t, "redis-url", map[string]badServer{
		"an unknown scheme":         {url: "http://:" + hidden + "@" + host, says: []string{"redis://:password@"}},
		"a bad database":            {url: url(host, "/first"), says: []string{"the URL cannot be read"}},
		"no such host":              {url: url("redis.invalid:6379", ""), says: []string{"redis.invalid", "not known", "check its name"}},
		"nobody listens":            {url: url(freeAddr(t), ""), says: []string{"nobody listens", "start Redis"}},
		"nobody answers":            {url: url(mute(t), ""), says: []string{"no answer within"}},
		"a wrong password":          {url: "redis://:wrong@" + host, says: []string{host, "password of the URL is refused"}},
		"a wrong user":              {url: "redis://somebody:" + hidden + "@" + host, says: []string{"password of the URL is refused"}},
		"no password":               {url: s.URL(), says: []string{"wants a password", "redis://:password@"}},
		"no such database":          {url: url(host, "/99"), says: []string{"out of range"}},
		"TLS is not spoken":         {url: "rediss://:" + hidden + "@" + host, says: []string{"write redis://"}},
		"TLS is wanted":             {url: url(secured, ""), says: []string{"write rediss://"}},
		"an unknown authority":      {url: "rediss://:" + hidden + "@" + secured, says: []string{"authority", "SSL_CERT_FILE"}},
		"a replica":                 {url: replica.URL(), says: []string{"replica", "name the primary"}},
		"a user without rights":     {url: strings.Replace(weak.URL(), "//", "//weak:"+hidden+"@", 1), says: []string{"lacks a right", "ACL SETUSER"}},
		"too old":                   {url: url(between(t, "tcp", host, "\r\n"+version[:2], "\r\n5.", nil), ""), says: []string{"version 5.", "6.0 or later", "upgrade"}},
		"one that is not a Redis":   {url: url(greeter(t), ""), says: []string{"no Redis"}},
		"no memory and no eviction": {url: full.URL(), start: true, says: []string{"no memory left", "maxmemory"}},
	})
	if out := mustPassCheck(t, "--redis-url", url(host, "")); !strings.Contains(out, "redis-url: Redis ") {
		t.Errorf("the check says\n%s", out)
	}
}

func TestAMongoDBThatCannotBeUsedIsToldInOneLine(t *testing.T) {
	t.Parallel()
	cfg := mongodbtest.Config(t)
	right, err := url.Parse(cfg.URL)
	if err != nil {
		t.Fatal(err)
	}
	host := right.Host
	as := func(host, more string) string { return "mongodb://chatd:" + hidden + "@" + host + "/chatd" + more }
	open := func(host, more string) string {
		u := *right
		u.Host, u.Path = host, "/"+cfg.Name
		return u.String() + more
	}
	cert, crt, _ := certificate(t, "127.0.0.1")
	secured := between(t, "tcp", host, "", "", &cert)
	elsewhere, crt2, _ := certificate(t, "mongo.example.org")
	wire := func(n byte) string { return "maxWireVersion\x00" + string([]byte{n}) }
	bad := func(collection string, doc map[string]any) string {
		t.Helper()
		cfg := mongodbtest.Config(t)
		db := mongodbtest.Open(t, cfg)
		if _, err := db.Collection(collection).InsertOne(t.Context(), doc); err != nil {
			t.Fatal(err)
		}
		return in(t, cfg)
	}
	rows := map[string]badServer{
		"an unknown scheme":     {url: "postgres://chatd:" + hidden + "@" + host + "/chatd", says: []string{"mongodb://chatd:password@"}},
		"a bad option":          {url: as(host, "?w=none&readConcernLevel"), says: []string{"the MongoDB URL cannot be used"}},
		"no such host":          {url: as("mongo.invalid", ""), says: []string{"mongo.invalid", "not known", "check its name"}},
		"no such cluster":       {url: "mongodb+srv://chatd:" + hidden + "@mongo.invalid/chatd", says: []string{"the MongoDB URL cannot be used", "mongo.invalid"}},
		"nobody listens":        {url: as(freeAddr(t), ""), says: []string{"nobody listens", "start MongoDB"}},
		"nobody answers":        {url: as(mute(t), ""), says: []string{"check host"}},
		"a wrong password":      {url: as(host, ""), says: []string{host, "password is refused", "authSource"}},
		"TLS is not spoken":     {url: open(host, "?tls=true"), says: []string{"take tls=true out"}},
		"TLS is wanted":         {url: open(secured, ""), says: []string{"say tls=true"}},
		"an unknown authority":  {url: open(secured, "?tls=true"), says: []string{"authority", "tlsCAFile=FILE"}},
		"another's certificate": {url: open(between(t, "tcp", host, "", "", &elsewhere), "?tls=true&tlsCAFile="+inFile(t, crt2)), says: []string{"another host"}},
		"not that replica set":  {url: open(host, "?replicaSet=chat"), says: []string{"check hosts"}},
		"one that is none":      {url: open(greeter(t), ""), says: []string{"check host"}},
		"a newer schema":        {url: bad("chat_meta", map[string]any{"_id": "form", "version": 1000}), says: []string{"newer version", "run that version"}},
		"half restored":         {url: bad("chat_log", map[string]any{"_id": 1}), says: []string{"half restored", "no epoch", "restore a backup"}},
	}
	if mongodbtest.Scans() { // FerretDB's answers are known to the byte
		maps.Copy(rows, map[string]badServer{
			"too old":     {url: open(between(t, "tcp", host, wire(21), wire(13), nil), ""), says: []string{"older than 6.0", "upgrade"}},
			"far too old": {url: open(between(t, "tcp", host, wire(21), wire(6), nil), ""), says: []string{"older than 6.0", "upgrade"}},
			"no primary":  {url: open(between(t, "tcp", host, "isWritablePrimary\x00\x01", "isWritablePrimary\x00\x00", nil), ""), says: []string{"not a primary", "replicaSet=NAME"}},
		})
	}
	mustBeRefused(t, "mongo-url", rows)
	for _, more := range []string{"", "?tls=true&tlsCAFile=" + inFile(t, crt)} {
		at := host
		if more != "" {
			at = secured
		}
		if out := mustPassCheck(t, "--mongo-url", open(at, more)); !strings.Contains(out, "collections will be made at the start") {
			t.Errorf("the check says\n%s", out)
		}
	}
}
