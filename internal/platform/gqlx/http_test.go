package gqlx_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"chatd/internal/platform/gqlx"
	"chatd/internal/platform/testenv"
)

const both = "application/graphql-response+json, application/json;q=0.9"

type answer struct {
	*http.Response

	body string
}

func ask(t testing.TB, f *fixture, viewer bool, method, target, body string, headers ...string) answer {
	t.Helper()
	ctx := t.Context()
	if viewer {
		ctx = as(ctx, ann)
	}
	r := httptest.NewRequestWithContext(ctx, method, target, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	f.HTTP().ServeHTTP(w, r)
	return answer{w.Result(), w.Body.String()}
}

func TestRequestsThatAreNoGraphQLRequestsAreRefused(t *testing.T) {
	t.Parallel()
	post := func(contentType, body string) []string {
		return []string{"POST", "/graphql", body, "Content-Type", contentType}
	}
	const asJSON, hello = "application/json", `{"query":"{hello}"}`
	get := "/graphql?query=" + url.QueryEscape("{hello}")
	for name, c := range map[string]struct {
		request []string
		status  int
		code    string
	}{
		"url-encoded form":     {post("application/x-www-form-urlencoded", "query={hello}"), 415, "BAD_USER_INPUT"},
		"plain text":           {post("text/plain", hello), 415, "BAD_USER_INPUT"},
		"multipart":            {post("multipart/form-data; boundary=x", hello), 415, "BAD_USER_INPUT"},
		"no content type":      {[]string{"POST", "/graphql", hello}, 415, "BAD_USER_INPUT"},
		"another charset":      {post("application/json; charset=iso-8859-1", hello), 415, "BAD_USER_INPUT"},
		"compressed":           {append(post(asJSON, hello), "Content-Encoding", "gzip"), 415, "BAD_USER_INPUT"},
		"batch of 10":          {post(asJSON, "["+strings.Repeat(hello+",", 9)+hello+"]"), 400, "BAD_USER_INPUT"},
		"a string":             {post(asJSON, `"{hello}"`), 400, "BAD_USER_INPUT"},
		"nothing":              {post(asJSON, " "), 400, "BAD_USER_INPUT"},
		"half a body":          {post(asJSON, `{"query":`), 400, "BAD_USER_INPUT"},
		"two bodies":           {post(asJSON, hello+hello), 400, "BAD_USER_INPUT"},
		"not UTF-8":            {post(asJSON, "{\"query\":\"{hello(name:\\\"\xff\\\")}\"}"), 400, "BAD_USER_INPUT"},
		"no query":             {post(asJSON, `{"qeury":"{hello}"}`), 400, "BAD_USER_INPUT"},
		"query null":           {post(asJSON, `{"query":null}`), 400, "BAD_USER_INPUT"},
		"variables a list":     {post(asJSON, `{"query":"{hello}","variables":[]}`), 400, "BAD_USER_INPUT"},
		"variables too deep":   {post(asJSON, `{"query":"{hello}","variables":{"a":`+strings.Repeat("[", 500_000)), 400, "BAD_USER_INPUT"},
		"operation a number":   {post(asJSON, `{"query":"{hello}","operationName":1}`), 400, "BAD_USER_INPUT"},
		"over 1 MiB":           {post(asJSON, `{"query":"{hello}","x":"`+strings.Repeat("x", 1<<20)+`"}`), 413, "PAYLOAD_TOO_LARGE"},
		"a persisted document": {post(asJSON, `{"extensions":{"persistedQuery":{"version":1,"sha256Hash":"x"}}}`), 400, "PERSISTED_QUERY_NOT_FOUND"},
		"mutation by GET":      {[]string{"GET", "/graphql?query=" + url.QueryEscape(`mutation{login(input:{login:"a"}){token}}`), ""}, 405, "BAD_USER_INPUT"},
		"subscription by GET":  {[]string{"GET", "/graphql?query=" + url.QueryEscape(`subscription{events{cursor}}`), ""}, 405, "BAD_USER_INPUT"},
		"subscription by POST": {post(asJSON, `{"query":"subscription{events{cursor}}"}`), 400, "BAD_USER_INPUT"},
		"GET without query":    {[]string{"GET", "/graphql", ""}, 400, "BAD_USER_INPUT"},
		"GET, bad variables":   {[]string{"GET", get + "&variables=%7B", ""}, 400, "BAD_USER_INPUT"},
		"GET, bad escape":      {[]string{"GET", "/graphql?query=%zz", ""}, 400, "BAD_USER_INPUT"},
		"PUT":                  {[]string{"PUT", "/graphql", hello, "Content-Type", asJSON}, 405, "BAD_USER_INPUT"},
		"html only":            {[]string{"GET", get, "", "Accept", "text/html"}, 406, "BAD_USER_INPUT"},
		"json refused":         {[]string{"GET", get, "", "Accept", "application/json;q=0"}, 406, "BAD_USER_INPUT"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			var a answer
			took := testenv.Quickest(time.Second, func() time.Duration {
				return testenv.Took(func() { a = ask(t, f, true, c.request[0], c.request[1], c.request[2], c.request[3:]...) })
			})
			var got struct {
				Data   any
				Errors []gqlx.Error
			}
			if err := json.Unmarshal([]byte(a.body), &got); err != nil || got.Data != nil || len(got.Errors) == 0 {
				t.Fatalf("%s %v", a.body, err)
			}
			if a.StatusCode != c.status || got.Errors[0].Code() != c.code || got.Errors[0].RequestID() == "" {
				t.Errorf("%d %s", a.StatusCode, a.body)
			}
			if c.status == http.StatusMethodNotAllowed && !strings.Contains(a.Header.Get("Allow"), "POST") {
				t.Error("Allow is missing")
			}
			if f.calls.Load() != 0 {
				t.Error("a resolver ran")
			}
			if took > time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

func TestAnswersHaveTheMediaTypeAndStatusThatTheClientAskedFor(t *testing.T) {
	t.Parallel()
	const response, plain = "application/graphql-response+json; charset=utf-8", "application/json; charset=utf-8"
	ok, invalid, private := `{"query":"{hello}"}`, `{"query":"{nothing}"}`, `{"query":"{viewer{id}}"}`
	large := fmt.Sprintf(`{"query":%q}`, "{hello}"+strings.Repeat(" ", 64<<10))
	for _, c := range []struct {
		accept, body, media string
		status              int
	}{
		{"application/graphql-response+json", ok, response, 200},
		{both, ok, response, 200},
		{"application/json", ok, plain, 200},
		{"*/*", ok, plain, 200},
		{"", ok, plain, 200},
		{"text/html,application/xhtml+xml,*/*;q=0.8", ok, plain, 200},
		{"application/json;q=0.5, application/graphql-response+json", ok, response, 200},
		{"application/graphql-response+json", invalid, response, 400},
		{"application/json", invalid, plain, 200},
		{"*/*", invalid, plain, 400},
		{"application/graphql-response+json", private, response, 401},
		{"application/json", private, plain, 401},
		{"application/json", large, plain, 413},
	} {
		f := setup(t)
		a := ask(t, f, false, "POST", "/graphql", c.body, "Content-Type", "application/json", "Accept", c.accept)
		if a.StatusCode != c.status || a.Header.Get("Content-Type") != c.media {
			t.Errorf("%q %.40s: %d %s", c.accept, c.body, a.StatusCode, a.Header.Get("Content-Type"))
		}
		if a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("headers %v", a.Header)
		}
		if (a.StatusCode == 401) != (a.Header.Get("WWW-Authenticate") != "") {
			t.Errorf("%d, WWW-Authenticate %q", a.StatusCode, a.Header.Get("WWW-Authenticate"))
		}
	}
}

func TestAGetRunsAQuery(t *testing.T) {
	t.Parallel()
	f := setup(t)
	q := url.Values{"query": {`query A($n: String) { hello(name: $n) } query B { viewer { id } }`}, "operationName": {"A"}, "variables": {`{"n":"you, too"}`}}
	a := ask(t, f, false, "GET", "/graphql?"+q.Encode(), "")
	if a.StatusCode != 200 || a.body != `{"data":{"hello":"hello you, too"}}` {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}

func TestNumbersArriveExactly(t *testing.T) {
	t.Parallel()
	f := setup(t)
	a := ask(t, f, true, "POST", "/graphql", `{"query":"query($i:[ID!]!){users(ids:$i){id}}","variables":{"i":[9007199254740993]}}`, "Content-Type", "application/json")
	if a.body != `{"data":{"users":[null]}}` {
		t.Error(a.body)
	}
	a = ask(t, f, true, "POST", "/graphql", `{"query":"query($n:Int){viewer{friends(first:$n){pageInfo{hasNextPage}}}}","variables":{"n":2147483647.5}}`, "Content-Type", "application/json")
	if !strings.Contains(a.body, "BAD_USER_INPUT") {
		t.Error(a.body)
	}
}

// TestAnswersDoNotShareTheirBuffers sends requests of many sizes at once.
func TestAnswersDoNotShareTheirBuffers(t *testing.T) {
	t.Parallel()
	f := setup(t)
	h := f.HTTP()
	done := make(chan error, 50)
	for i := range 50 {
		go func() {
			name := strings.Repeat(string(rune('a'+i%26)), 1+i*997)
			r := httptest.NewRequestWithContext(t.Context(), "POST", "/graphql", strings.NewReader(
				`{"query":"query($n:String){hello(name:$n)}","variables":{"n":"`+name+`"}}`))
			r.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if want := `{"data":{"hello":"hello ` + name + `"}}`; w.Body.String() != want {
				done <- fmt.Errorf("%.60s", w.Body)
				return
			}
			done <- nil
		}()
	}
	for range 50 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func FuzzBody(f *testing.F) {
	for _, b := range []string{
		`{"query":"{hello}"}`, `{"query":"{hello}","variables":{"a":[1,{"b":null}]},"operationName":null,"extensions":{}}`,
		`[]`, `{"query":1}`, `{"QUERY":"{hello}"}`, "\xef\xbb\xbf{}", `{"query":"\ud800"}`,
	} {
		f.Add([]byte(b), "application/json", both)
	}
	fix := setup(f, quiet)
	h := fix.HTTP()
	ctx := as(f.Context(), ann)
	f.Fuzz(func(t *testing.T, body []byte, contentType, accept string) {
		r := httptest.NewRequestWithContext(ctx, "POST", "/graphql", bytes.NewReader(body))
		r.Header.Set("Content-Type", contentType)
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		b, _ := io.ReadAll(w.Result().Body)
		if !json.Valid(b) || w.Code >= 500 {
			t.Fatalf("%d %s", w.Code, b)
		}
	})
}
