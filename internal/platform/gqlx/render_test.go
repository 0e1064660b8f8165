package gqlx_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"chatd/internal/platform/errs"
	"chatd/internal/platform/feed"
	"chatd/internal/platform/gqlx"
	"chatd/internal/platform/ids"
)

type local struct {
	cursor string
	unread int32
}

func (l local) AppendCursor(dst []byte) []byte { return append(dst, l.cursor...) }
func (l local) UnreadCount() int32             { return l.unread }

func added(seq int32, text string) *messageAdded {
	return &messageAdded{
		Message: &message{ID: "m1", Seq: seq, Text: text}, cursor: gqlx.CursorPlaceholder, UnreadCount: gqlx.UnreadPlaceholder,
	}
}

func subscribe(ctx context.Context, t testing.TB, f *fixture, query string, vars map[string]any) *gqlx.Live {
	t.Helper()
	l, refused := f.Subscribe(ctx, gqlx.Request{Query: query, Variables: vars})
	if refused != nil {
		t.Fatalf("refused: %s", refused.AppendJSON(nil))
	}
	t.Cleanup(l.Stream.Close)
	return l
}

func render(t testing.TB, l *gqlx.Live, event any) *gqlx.Rendered {
	t.Helper()
	r, err := l.Render(t.Context(), feed.Item{Event: event})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestSplicedBytesAreTheEnginesOwn renders each event twice: with placeholders
// that are spliced, and with the values themselves, which the engine writes.
func TestSplicedBytesAreTheEnginesOwn(t *testing.T) {
	t.Parallel()
	mine := local{"c2VhbGVk_-0", 42}
	hostile := `"}],"cursor":"` + `\u0000 {[,:` + "\u2028 \"unreadCount\":-5"
	for i, query := range []string{
		benchSubscription,
		`subscription { events { cursor } }`,
		`subscription { e: events { a: cursor b: cursor ... on MessageAdded { u: unreadCount v: unreadCount message { text } } } }`,
		`subscription { events { ...E ... on StreamStarted { greeting } } } fragment E on Event { cursor ... on MessageAdded { message { id text } unreadCount } }`,
		`subscription { events { x: __typename ... on StreamStarted { cursor: cursor number } ... on MessageAdded { number: unreadCount cursor } } }`,
		`subscription { events { ... on MessageAdded { cursor: unreadCount } ... on StreamStarted { cursor: number } } }`,
		`subscription { events { ... on MessageAdded { message { text } } } }`,
	} {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			l := subscribe(as(t.Context(), ann), t, f, query, nil)
			for _, pair := range [][2]any{
				{added(1, hostile), &messageAdded{Message: &message{ID: "m1", Seq: 1, Text: hostile}, cursor: mine.cursor, UnreadCount: mine.unread}},
				{&streamStarted{gqlx.CursorPlaceholder, hostile, -7}, &streamStarted{mine.cursor, hostile, -7}},
			} {
				spliced, own := render(t, l, pair[0]), render(t, l, pair[1])
				if len(own.Splices) != 0 {
					t.Errorf("real values were taken for placeholders: %s", own.JSON)
				}
				if got := string(l.Append(nil, spliced, mine)); got != string(own.JSON) {
					t.Errorf("spliced\n%s\nengine\n%s", got, own.JSON)
				}
			}
		})
	}
}

func TestAPlaceholderNeverLeavesTheServer(t *testing.T) {
	t.Parallel()
	f := setup(t)
	l := subscribe(as(t.Context(), ann), t, f, `subscription { events { ... on StreamStarted { greeting } } }`, nil)
	inEvent := subscribe(as(t.Context(), ann), t, f, `subscription { messageAdded(room: "r") { id picture } }`, nil)
	link := render(t, inEvent, &message{ID: "m1"}).JSON // as only a rendering has it
	_, stands, _ := strings.Cut(string(link), `"picture":"`)
	stands, _, _ = strings.Cut(stands, "/pictures")
	for _, hidden := range []string{gqlx.CursorPlaceholder, stands} {
		_, err := l.Render(t.Context(), feed.Item{Event: &streamStarted{"", "x " + hidden, 0}})
		if hidden == "" || err == nil || strings.Contains(string(f.Present(t.Context(), err).AppendJSON(nil)), hidden) {
			t.Errorf("%v", err)
		}
	}
}

// What a subscriber gets with a link is what the engine writes when he asks by
// himself, and of one execution each gets his own.
func TestALinkIsEachSubscribersOwnAndTheBytesAreTheEnginesOwn(t *testing.T) {
	t.Parallel()
	for i, fields := range []string{
		`id picture text`, `sound`, `a: picture sound b: picture(size: 2) sender { name } text`,
	} {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			for _, text := range []string{"hello & <all>", ""} {
				event := &message{ID: "m1", Seq: 1, Text: text, calls: f.calls}
				before, shared := f.nodes.Load(), map[*gqlx.Rendered]bool{}
				for _, who := range []ids.User{ann, ben} {
					ctx := as(t.Context(), who)
					own := f.Exec(ctx, gqlx.Request{
						Query: `mutation($t: String!) { send(input: {text: $t}) { message { ` + fields + ` } } }`, Variables: map[string]any{"t": text},
					})
					want := strings.TrimSuffix(strings.Replace(string(own.AppendJSON(nil)), `"send":{"message"`, `"messageAdded"`, 1), "}")
					if text != "" && !strings.Contains(want, `for=`+who.String()+`\u0026until`) {
						t.Errorf("no link in %s", want)
					}
					l := subscribe(ctx, t, f, `subscription { messageAdded(room: "r") { `+fields+` } }`, nil)
					r := render(t, l, event)
					shared[r] = true
					if got := string(l.Append(nil, r, nil)); got != want {
						t.Errorf("spliced\n%s\nengine\n%s", got, want)
					}
				}
				if n := f.nodes.Load() - before; n != 1 || len(shared) != 1 {
					t.Errorf("%d executions, %d renderings", n, len(shared))
				}
			}
		})
	}
}

// One response key may stand for a cursor in one type of event and for a link
// in another.
func TestOneKeyOfTwoTypesIsSplicedAsItsTypeSays(t *testing.T) {
	t.Parallel()
	f := setup(t)
	l := subscribe(as(t.Context(), ann), t, f, `subscription { events { ... on MessageAdded { x: cursor } ... on StreamStarted { x: picture cursor } } }`, nil)
	for event, want := range map[any]string{
		added(1, "a"): `{"data":{"events":{"x":"mine"}}}`,
		&streamStarted{gqlx.CursorPlaceholder, "", 0}: `{"data":{"events":{"x":"https://a.example/start?for=` + ann.String() + `\u0026until=1\u0026sig=x-_\u0026","cursor":"mine"}}}`,
	} {
		if got := string(l.Append([]byte("before "), render(t, l, event), local{"mine", 0})); got != "before "+want {
			t.Errorf("%s, not %s", got, want)
		}
	}
}

func TestAThousandSubscribersShareOneExecution(t *testing.T) {
	t.Parallel()
	f := setup(t)
	const query = `subscription($room: ID!, $after: Int) { messageAdded(room: $room, afterSeq: $after) { loud(times: 2) sender { name } } }`
	lives := make([]*gqlx.Live, 1000)
	for i := range lives {
		q := query
		if i%2 == 1 { // another text, the position a literal
			q = fmt.Sprintf("subscription S { messageAdded(room: \"r\", afterSeq: %d) {\n  loud(times: 2)\n  sender { name } } }", i)
		}
		lives[i] = subscribe(as(t.Context(), ann), t, f, q, map[string]any{"room": "r", "after": i})
	}
	event := &message{Text: "ab", calls: f.calls}
	got := make([]*gqlx.Rendered, len(lives))
	var wg sync.WaitGroup
	for i, l := range lives {
		wg.Go(func() { got[i], _ = l.Render(t.Context(), feed.Item{Event: event}) })
	}
	wg.Wait()
	for i, r := range got {
		if r == nil || r != got[0] {
			t.Fatalf("subscriber %d has a rendering of its own", i)
		}
	}
	if string(got[0].JSON) != `{"data":{"messageAdded":{"loud":"abab","sender":{"name":"Ann"}}}}` {
		t.Errorf("%s", got[0].JSON)
	}
	if f.nodes.Load() != 1 || f.calls.Load() != 1 {
		t.Errorf("executed %d times", f.calls.Load())
	}
}

func TestWhatDiffersIsNotShared(t *testing.T) {
	t.Parallel()
	f := setup(t)
	const (
		plain  = `subscription { messageAdded(room: "r") { text } }`
		viewer = `subscription { messageAdded(room: "r") { text clientId } }`
		inner  = `subscription($n: Int = 1) { messageAdded(room: "r") { loud(times: $n) } }`
	)
	event := &message{Text: "a", calls: f.calls}
	of := func(ctx context.Context, q string, vars map[string]any) string {
		return string(render(t, subscribe(ctx, t, f, q, vars), event).JSON)
	}
	a, b := as(t.Context(), ann), as(t.Context(), ben)
	if x, y := of(a, plain, nil), of(b, plain, nil); x != y || f.nodes.Load() != 1 {
		t.Errorf("two viewers of a plain document do not share: %s %s, %d executions", x, y, f.nodes.Load())
	}
	if x, y := of(a, viewer, nil), of(b, viewer, nil); x == y || !strings.Contains(x, ann.String()) || !strings.Contains(y, ben.String()) {
		t.Errorf("two viewers of a @viewer field: %s %s", x, y)
	}
	if x := of(a, inner, map[string]any{"n": 3}); x != `{"data":{"messageAdded":{"loud":"aaa"}}}` {
		t.Error(x)
	}
	if x := of(a, inner, nil); x != `{"data":{"messageAdded":{"loud":"a"}}}` { // the default
		t.Error(x)
	}
}

func TestAFailedFieldIsNullAndTheEventStillComes(t *testing.T) {
	t.Parallel()
	f := setup(t)
	l := subscribe(as(t.Context(), ann), t, f, `subscription { messageAdded(room: "r") { text broken } }`, nil)
	event := &message{Text: "a"}
	for range 3 {
		got := string(render(t, l, event).JSON)
		if !strings.HasPrefix(got, `{"errors":[{`) || !strings.HasSuffix(got, `"data":{"messageAdded":{"text":"a","broken":null}}}`) ||
			strings.Contains(got, "secret") || !strings.Contains(got, `"INTERNAL"`) {
			t.Error(got)
		}
	}
	if n := strings.Count(f.log.String(), "secret"); n != 1 {
		t.Errorf("logged %d times", n)
	}
}

func TestAnEventThatCannotBeToldIsAnErrorForAllLoggedOnce(t *testing.T) {
	t.Parallel()
	f := setup(t)
	l := subscribe(as(t.Context(), ann), t, f, `subscription { events { cursor } }`, nil)
	ids := map[string]bool{}
	event := new(int) // Node panics: it is no event
	for range 3 {
		_, err := l.Render(t.Context(), feed.Item{Event: event})
		r := f.Present(t.Context(), err)
		if err == nil || r.Errors[0].Code() != "INTERNAL" {
			t.Fatalf("%v", err)
		}
		ids[r.Errors[0].RequestID()] = true
	}
	if n := strings.Count(f.log.String(), "operation failed"); n != 1 || len(ids) != 1 {
		t.Errorf("logged %d times for %d ids: %s", n, len(ids), f.log)
	}
	if got := string(l.Append(nil, render(t, l, added(1, "a")), local{"x", 0})); got != `{"data":{"events":{"cursor":"x"}}}` {
		t.Errorf("the next event: %s", got)
	}
}

func TestOpeningChecksAndTellsItsArguments(t *testing.T) {
	t.Parallel()
	f := setup(t)
	ctx := as(t.Context(), ann)
	subscribe(ctx, t, f, `subscription($r: ID!) { messageAdded(room: $r, afterSeq: 7) { id } }`, map[string]any{"r": "room"})
	if n, ok := f.args.Int("afterSeq"); f.args.ID("room") != "room" || n != 7 || !ok {
		t.Errorf("%v", f.args)
	}
	subscribe(ctx, t, f, `subscription($a: Int) { messageAdded(room: "r", afterSeq: $a) { id } }`, nil)
	if _, ok := f.args.Int("afterSeq"); ok {
		t.Errorf("an absent variable: %v", f.args)
	}
	for query, code := range map[string]string{
		`subscription { messageAdded(room: "secret") { id } }`:            "NOT_FOUND",
		`subscription { messageAdded(room: "r", afterSeq: "1") { id } }`:  "GRAPHQL_VALIDATION_FAILED",
		`subscription { events { cursor } messageAdded(room: "r") {id} }`: "GRAPHQL_VALIDATION_FAILED",
		`subscription { __typename }`:                                     "GRAPHQL_VALIDATION_FAILED",
		`subscription { events @include(if: false) { cursor } }`:          "GRAPHQL_VALIDATION_FAILED",
		`{ hello }`: "BAD_USER_INPUT",
	} {
		if _, r := f.Subscribe(ctx, gqlx.Request{Query: query}); r == nil || r.Errors[0].Code() != code {
			t.Errorf("%s: %v", query, r)
		}
	}
	if r := f.Exec(ctx, gqlx.Request{Query: `subscription { events { cursor } }`}); !r.Refused() || !strings.Contains(r.Errors[0].Message, "WebSocket") {
		t.Errorf("%s", r.AppendJSON(nil))
	}
}

func TestRunnersRestAfterAMinuteAndStartAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := setup(t)
		l := subscribe(as(t.Context(), ann), t, f, `subscription { messageAdded(room: "r") { text } }`, nil)
		for i := range 3 {
			render(t, l, &message{Text: strconv.Itoa(i)})
			<-time.After(2 * time.Minute)
			synctest.Wait()
		}
		l.Stream.Close()
		l.Stream.Close()
		if n := f.last.closed.Load(); n != 2 {
			t.Errorf("the stream was closed %d times", n)
		}
		f.Close() // synctest fails the test if a runner is left
		if _, err := l.Render(t.Context(), feed.Item{Event: &message{}}); errs.KindOf(err) != errs.Unavailable {
			t.Errorf("after the end: %v", err)
		}
	})
}

func TestARenderingThatTakesTooLongIsAnErrorNeverAGap(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := setup(t)
		l := subscribe(as(t.Context(), ann), t, f, `subscription { messageAdded(room: "r") { text slow } }`, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		stuck := &message{Text: "a", stuck: true}
		if _, err := l.Render(ctx, feed.Item{Event: stuck}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a caller who gives up: %v", err)
		}
		if _, err := l.Render(t.Context(), feed.Item{Event: stuck}); errs.KindOf(err) != errs.Unavailable {
			t.Errorf("the rendering: %v", err)
		}
		if got := string(render(t, l, &message{Text: "b"}).JSON); got != `{"data":{"messageAdded":{"text":"b","slow":"b"}}}` {
			t.Error(got)
		}
		f.Close()
	})
}

func TestManyEventsAtOnceEachGiveTheirOwn(t *testing.T) {
	t.Parallel()
	f := setup(t)
	l := subscribe(as(t.Context(), ann), t, f, `subscription { messageAdded(room: "r") { seq } }`, nil)
	var wg sync.WaitGroup
	for i := range int32(300) {
		wg.Go(func() {
			r, err := l.Render(t.Context(), feed.Item{Event: &message{Seq: i}})
			if err != nil || string(r.JSON) != fmt.Sprintf(`{"data":{"messageAdded":{"seq":%d}}}`, i) {
				t.Errorf("%d: %v %v", i, r, err)
			}
		})
	}
	wg.Wait()
}

func TestOnlyTheLastEventsStayRendered(t *testing.T) {
	t.Parallel()
	f := setup(t)
	const query = `subscription { messageAdded(room: "r") { text } }`
	first := subscribe(as(t.Context(), ann), t, f, query, nil)
	events := make([]*message, 65)
	again := func(want int64, e *message) {
		t.Helper()
		before := f.nodes.Load()
		render(t, first, e)
		if got := f.nodes.Load() - before; got != want {
			t.Errorf("executed %d times, not %d", got, want)
		}
	}
	events[0], events[1] = &message{Text: "a"}, &message{Text: "b"}
	again(1, events[0])
	again(1, events[1])
	again(0, events[1])
	again(1, events[0]) // alone, only the last is kept
	subscribe(as(t.Context(), ben), t, f, query, nil)
	for i := range events {
		events[i] = &message{Text: strconv.Itoa(i)}
		again(1, events[i])
	}
	again(0, events[1])
	again(1, events[0]) // 64 are kept
}
