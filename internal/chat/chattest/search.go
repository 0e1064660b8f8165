package chattest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/terms"
)

// searchTests are those of Searching.
func (s suite) searchTests() map[string]func(*testing.T) {
	return map[string]func(*testing.T){
		"words of every script are found, and the beginnings of words":    s.findsWords,
		"no character of a query means anything to an engine":             s.findsOperators,
		"a search has only what its viewer may read now":                  s.findsWhatMayBeRead,
		"an edit is found by its new text, a tombstone by none":           s.findsNewTexts,
		"filters leave out the rest, and pages follow each other":         s.findsPages,
		"what was revised before it was indexed is indexed as it is":      s.indexesRevised,
		"those who index and revise at once leave the index as the texts": s.indexesAtOnce,
	}
}

// Index takes all messages into the index.
func (f *Fixture) Index(t testing.TB) {
	t.Helper()
	upTo := f.Position(t)
	for range 20_000 {
		at, err := f.Store.Index(t.Context(), 100)
		if err != nil {
			t.Fatalf("index: %v", err)
		}
		if at.Done || at.UpTo >= upTo {
			return
		}
		if at.Elsewhere { // another test
			time.Sleep(5 * time.Millisecond) //nolint:forbidigo // A row's lock cannot be waited for.
		}
	}
	t.Fatal("the index does not come to the end")
}

// Search returns what a viewer finds, newest first, the filters being those of
// q.
func (f *Fixture) Search(t testing.TB, viewer ids.User, query string, q chat.MessageQuery) []chat.Message {
	t.Helper()
	parsed, ok := terms.Parse(query)
	if !ok {
		t.Fatalf("%q is no query", query)
	}
	if q.Needs = parsed.Needs(); q.Limit == 0 {
		q.Limit = 100
	}
	got, err := f.Store.Search(t.Context(), viewer, q)
	if err != nil {
		t.Fatalf("search %q: %v", query, err)
	}
	return slices.DeleteFunc(got, func(m chat.Message) bool {
		_, ok := parsed.Find(m.Text, 1)
		return !ok
	})
}

func (f *Fixture) finds(t testing.TB, viewer ids.User, query string, want ...chat.Message) {
	t.Helper()
	var texts, wanted []string
	for _, m := range f.Search(t, viewer, query, chat.MessageQuery{}) {
		texts = append(texts, m.Text)
	}
	for _, m := range slices.Backward(want) {
		wanted = append(wanted, m.Text)
	}
	if !slices.Equal(texts, wanted) {
		t.Errorf("%q finds %q, want %q", query, texts, wanted)
	}
}

func (s suite) findsWords(t *testing.T) {
	u := Users(1)[0]
	in := s.Group(t, u).ID
	sent := make(map[string]chat.Message)
	for _, text := range []string{
		"The Straße was café-lined, naïve façade", "STRASSE", "Übergrößenträger",
		"Привет, мир! Ёлка", "Καλημέρα κόσμε, ὈΔΥΣΣΕΎΣ", "مَرْحَبًا بالعالم", "שָׁלוֹם עולם", "नमस्ते दुनिया", "வணக்கம் உலகம்",
		"東京都に住んでいます。", "京都と東京", "ｶﾞﾗｽのコップ", "안녕하세요 세계", "ฉันรักภาษาไทย", "សួស្តីពិភពលោក",
		"Deploy v2.15.3 of chatd-server to 10.0.0.1", "mail ada.lovelace@example.org", "🎉🎉 party 👩‍👩‍👧 time", "ﬁne ①②③ ５００",
		"a b c", "don't", strings.Repeat("x", 300), "\ue000" + strings.Repeat("0", 32),
	} {
		sent[text] = s.Send(t, in, u, text)
	}
	s.Index(t)
	for query, want := range map[string][]string{
		"strasse":                  {"The Straße was café-lined, naïve façade", "STRASSE"},
		"STRAẞE":                   {"The Straße was café-lined, naïve façade", "STRASSE"},
		"CAFE":                     {"The Straße was café-lined, naïve façade"},
		"cafe\u0301":               {"The Straße was café-lined, naïve façade"},
		"naive fac":                {"The Straße was café-lined, naïve façade"},
		"facade naive":             {"The Straße was café-lined, naïve façade"},
		"facade.naive":             nil,
		"ubergr":                   {"Übergrößenträger"},
		"träger":                   nil,
		"привет":                   {"Привет, мир! Ёлка"},
		"елка":                     {"Привет, мир! Ёлка"},
		"καλημερα":                 {"Καλημέρα κόσμε, ὈΔΥΣΣΕΎΣ"},
		"οδυσσευς":                 {"Καλημέρα κόσμε, ὈΔΥΣΣΕΎΣ"},
		"مرحبا":                    {"مَرْحَبًا بالعالم"},
		"שלום":                     {"שָׁלוֹם עולם"},
		"नमस्ते":                   {"नमस्ते दुनिया"},
		"उनिया":                    nil,
		"வணக்":                     {"வணக்கம் உலகம்"},
		"東京":                       {"東京都に住んでいます。", "京都と東京"},
		"東京都":                      {"東京都に住んでいます。"},
		"京都":                       {"東京都に住んでいます。", "京都と東京"},
		"都":                        {"東京都に住んでいます。", "京都と東京"},
		"住んで":                      {"東京都に住んでいます。"},
		"住 京":                      {"東京都に住んでいます。"},
		"ガラス":                      {"ｶﾞﾗｽのコップ"},
		"コップ":                      {"ｶﾞﾗｽのコップ"},
		"안녕":                       {"안녕하세요 세계"},
		"세":                        {"안녕하세요 세계"},
		"ภาษา":                     {"ฉันรักภาษาไทย"},
		"ពិភព":                     {"សួស្តីពិភពលោក"},
		"2.15":                     nil,
		"v2.15.3":                  {"Deploy v2.15.3 of chatd-server to 10.0.0.1"},
		"chatd-serv":               {"Deploy v2.15.3 of chatd-server to 10.0.0.1"},
		"10.0.0":                   {"Deploy v2.15.3 of chatd-server to 10.0.0.1"},
		"10.0.1":                   nil,
		"ada.lovelace@example.org": {"mail ada.lovelace@example.org"},
		"lovelace":                 {"mail ada.lovelace@example.org"},
		"🎉":                        {"🎉🎉 party 👩‍👩‍👧 time"},
		"👩‍👧":                      {"🎉🎉 party 👩‍👩‍👧 time"},
		"fine":                     {"ﬁne ①②③ ５００"},
		"500":                      {"ﬁne ①②③ ５００"},
		"123":                      {"ﬁne ①②③ ５００"},
		"b":                        {"a b c"},
		"don't":                    {"don't"},
		strings.Repeat("x", 300):   {strings.Repeat("x", 300)},
		strings.Repeat("0", 32):    {"\ue000" + strings.Repeat("0", 32)},
		in.String():                nil,
		"\ue000" + "no such room":  nil,
		"the of":                   nil,
		"the was":                  {"The Straße was café-lined, naïve façade"},
		"AND":                      nil,
		"party -time":              {"🎉🎉 party 👩‍👩‍👧 time"},
	} {
		var messages []chat.Message
		for _, text := range want {
			messages = append(messages, sent[text])
		}
		s.finds(t, u, query, messages...)
	}
}

func (s suite) findsOperators(t *testing.T) {
	u := Users(1)[0]
	in := s.Group(t, u).ID
	m := s.Send(t, in, u, `words NEAR(the AND end) OR NOT $where 100%_ {"$gt": ""} it's`)
	s.Index(t)
	for _, query := range []string{
		`"words`, `words"`, `""words""`, `words*`, `words:*`, `^words`, `words NEAR`, `NEAR(the AND end)`, `AND OR NOT`, `words AND NOT`,
		`words & the`, `!words`, `words | the`, `words <-> near`, `(words`, `words)`, `words' & 'the`, `words\`, `{"$gt": ""}`, `$where`, `100%`,
		`100_`, `%words%`, "words\x00", "words\xff", `words;--`, `-words`, `+words`, `words: near`, `{words}: near`, `it's`, `'it''s'`, `rank words`[5:],
	} {
		s.finds(t, u, query, m)
	}
	for _, query := range []string{`100%5`, `word%s`, `w*rds`, `w.rds`, `words nearby`, `derived_chat_search`, `words:A`, `words:b`} {
		s.finds(t, u, query)
	}
	long := strings.Repeat("words ", 100) + strings.Repeat("東", 100)
	s.finds(t, u, long)
	for _, query := range []string{"", " ", `"`, `* ( ) " - + & | ! : ~ ^ < > = $ %`, "\x00\xff", "\u200b", "، 。！"} {
		if _, ok := terms.Parse(query); ok {
			t.Errorf("%q passes for a query", query)
		}
	}
}

func (s suite) findsWhatMayBeRead(t *testing.T) {
	all := Users(4)
	owner, member, former, stranger := all[0], all[1], all[2], all[3]
	in := s.Group(t, owner, member, former).ID
	m := s.Send(t, in, owner, "the canary sings")
	other := s.Group(t, stranger).ID
	own := s.Send(t, other, stranger, "no canary here")
	s.Index(t)
	s.finds(t, former, "canary", m)
	s.Remove(t, in, owner, former)
	for who, want := range map[ids.User][]chat.Message{owner: {m}, member: {m}, former: nil, stranger: {own}} {
		s.finds(t, who, "canary", want...)
	}
	for _, who := range []ids.User{former, stranger} {
		if got := s.Search(t, who, "canary", chat.MessageQuery{Conversation: in}); len(got) > 0 {
			t.Errorf("somebody else finds %+v", got)
		}
		if got := s.Search(t, who, "canary", chat.MessageQuery{Sender: owner}); len(got) > 0 {
			t.Errorf("somebody else finds %+v", got)
		}
	}
	s.finds(t, owner, "members changed") // by the system
	s.Add(t, in, owner, former)
	s.finds(t, former, "canary", m)
	if got := s.Search(t, Users(1)[0], "canary", chat.MessageQuery{}); len(got) > 0 {
		t.Errorf("who is nowhere finds %+v", got)
	}
}

func (s suite) findsNewTexts(t *testing.T) {
	u := Users(1)[0]
	in := s.Group(t, u).ID
	m, stays := s.Send(t, in, u, "quick brown fox"), s.Send(t, in, u, "quick lazy dog")
	s.Index(t)
	m = s.Edit(t, m, "quick red panda")
	s.finds(t, u, "brown")
	s.finds(t, u, "panda", m)
	s.finds(t, u, "quick", m, stays)
	m = s.Edit(t, m, "!?")
	s.finds(t, u, "panda")
	m = s.Edit(t, m, "quick again")
	s.finds(t, u, "again", m)
	s.Delete(t, m)
	s.Index(t)
	for _, query := range []string{"again", "panda", "fox"} {
		s.finds(t, u, query)
	}
	s.finds(t, u, "quick", stays)
}

func (s suite) findsPages(t *testing.T) {
	all := Users(2)
	u, other := all[0], all[1]
	in, elsewhere := s.Group(t, u, other).ID, s.Group(t, other, u).ID
	var sent []chat.Message
	for i := range 20 {
		who, where := all[i%2], []ids.Conversation{in, elsewhere}[i/2%2]
		sent = append(sent, s.Send(t, where, who, fmt.Sprintf("needle number%d", i)))
	}
	s.Index(t)
	s.findsAll(t, "all", u, sent, chat.MessageQuery{}, func(chat.Message) bool { return true })
	s.findsAll(t, "one conversation", u, sent, chat.MessageQuery{Conversation: in}, func(m chat.Message) bool { return m.Conversation == in })
	s.findsAll(t, "one sender", u, sent, chat.MessageQuery{Sender: other}, func(m chat.Message) bool { return m.Sender == other })
	s.findsAll(t, "both", u, sent, chat.MessageQuery{Conversation: elsewhere, Sender: u}, func(m chat.Message) bool {
		return m.Conversation == elsewhere && m.Sender == u
	})
	from, to := sent[4].CreatedAt, sent[15].CreatedAt
	s.findsAll(t, "between", u, sent, chat.MessageQuery{SentFrom: from, SentBefore: to}, func(m chat.Message) bool {
		return !m.CreatedAt.Before(from) && m.CreatedAt.Before(to)
	})
	s.findsAll(t, "nobody's", u, sent, chat.MessageQuery{Sender: Users(1)[0]}, func(chat.Message) bool { return false })
	s.findsFiles(t, all, in, elsewhere, sent)
}

// findsFiles asks for messages with files and without, beside those sent.
func (s suite) findsFiles(t *testing.T, all []ids.User, in, elsewhere ids.Conversation, sent []chat.Message) {
	t.Helper()
	u, other := all[0], all[1]
	first, second := s.SendFiles(t, in, s.Image(t, u)), s.SendFiles(t, elsewhere, s.Image(t, other), s.Image(t, other))
	for _, m := range []chat.Message{first, second} {
		sent = append(sent, s.Edit(t, m, "needle with a picture"))
	}
	s.Index(t)
	has := func(m chat.Message) bool { return len(m.Attachments) > 0 }
	with := chat.MessageQuery{Attached: chat.WithAttachment}
	s.findsAll(t, "with files", u, sent, with, has)
	s.findsAll(t, "with files of one sender", u, sent, chat.MessageQuery{Attached: chat.WithAttachment, Sender: u}, func(m chat.Message) bool {
		return has(m) && m.Sender == u
	})
	s.findsAll(t, "without files", u, sent, chat.MessageQuery{Attached: chat.WithoutAttachment}, func(m chat.Message) bool { return !has(m) })
	s.findsAll(t, "with files or not", u, sent, chat.MessageQuery{}, func(chat.Message) bool { return true })
	s.Delete(t, first)
	sent = slices.Delete(sent, len(sent)-2, len(sent)-1)
	s.findsAll(t, "with files, but for a deleted one", u, sent, with, has)
}

// findsAll pages through what a viewer finds of needle, three at a time, and
// wants those of sent, the newest first.
func (s suite) findsAll(t *testing.T, what string, viewer ids.User, sent []chat.Message, q chat.MessageQuery, want func(chat.Message) bool) {
	t.Helper()
	var expected, got []ids.Message
	for _, m := range slices.Backward(sent) {
		if want(m) {
			expected = append(expected, m.ID)
		}
	}
	q.Limit = 3
	for {
		page := s.Search(t, viewer, "needle", q)
		for _, m := range page {
			got, q.Before = append(got, m.ID), m.Pos
		}
		if len(page) < q.Limit {
			break
		}
	}
	same(t, what, got, expected)
}

func (s suite) indexesRevised(t *testing.T) {
	u := Users(1)[0]
	in := s.Group(t, u).ID
	a, b, c := s.Send(t, in, u, "alpha one"), s.Send(t, in, u, "alpha two"), s.Send(t, in, u, "alpha three")
	a = s.Edit(t, a, "beta one")
	s.Delete(t, b)
	s.Index(t)
	s.finds(t, u, "alpha", c)
	s.finds(t, u, "one", a)
	s.finds(t, u, "two")
	s.Delete(t, a)
	s.finds(t, u, "beta")
}

func (s suite) indexesAtOnce(t *testing.T) {
	const writers = 6
	all := Users(writers)
	in := s.Group(t, all...).ID
	steps := s.steps(30)
	for _, err := range atOnce(t.Context(), writers+2, func(ctx context.Context, i int) error {
		for n := range steps {
			if i >= writers {
				if _, err := s.Store.Index(ctx, 7); err != nil {
					return err
				}
				continue
			}
			m := s.Send(t, in, all[i], fmt.Sprintf("sent w%dn%dx", i, n))
			switch n % 3 {
			case 1:
				s.Edit(t, m, fmt.Sprintf("edited w%dn%dx", i, n))
			case 2:
				s.Delete(t, m)
			}
		}
		return nil
	}) {
		if err != nil {
			t.Fatal(err)
		}
	}
	s.Index(t)
	want := map[string]int{"sent": 0, "edited": 0}
	for _, m := range s.All(t, all[0], in) {
		if word, _, _ := strings.Cut(m.Text, " "); !m.Deleted() {
			want[word]++
			s.finds(t, all[0], strings.TrimPrefix(m.Text, word+" "), m)
		}
	}
	for word, n := range want {
		if got := s.Search(t, all[0], word, chat.MessageQuery{Limit: 1000}); len(got) != n || n == 0 {
			t.Errorf("%d messages are found by %q, want %d", len(got), word, n)
		}
	}
}
