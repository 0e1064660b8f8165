//go:build soak

package usersql_test

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"chatd/internal/platform/alike"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/page"
	"chatd/internal/platform/principal"
	"chatd/internal/platform/sqldb"
	"chatd/internal/platform/sqldb/sqldbtest"
	"chatd/internal/user"
	"chatd/internal/user/usersql"
	"chatd/internal/user/usertest"
)

// BenchmarkSearchOfAMillion asks for 20 users at a time, as clients do, among a
// million whose names are as frequent as names are, on a store that was loaded
// and indexed once; CHATD_BENCH_USERS says how many else. It reports the median
// and the slowest of each kind of query, over many different ones.
//
//	go test -tags soak -run xxx -bench SearchOfAMillion -benchtime 200x -timeout 1h ./internal/user/usersql
func BenchmarkSearchOfAMillion(b *testing.B) {
	users := 1_000_000
	if text := os.Getenv("CHATD_BENCH_USERS"); text != "" {
		var err error
		if users, err = strconv.Atoi(text); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("sqlite", func(b *testing.B) {
		path := filepath.Join(b.TempDir(), "bench.db")
		benchSearch(b, sqldbtest.Open(b, sqldb.Config{Path: path, Relaxed: true}), users)
		if info, err := os.Stat(path); err == nil {
			b.Logf("the file has %d MB", info.Size()>>20)
		}
	})
	b.Run("postgres", func(b *testing.B) {
		db := sqldbtest.Open(b, sqldb.Config{URL: sqldbtest.PostgresURL(b), MaxConns: 8, Timeout: time.Minute})
		benchSearch(b, db, users)
	})
}

func benchSearch(b *testing.B, db *sqldb.DB, users int) {
	b.Helper()
	s := store(b, db)
	before := create(b, s)
	began := time.Now()
	all := crowd(b, db, users)
	b.Logf("%d users in %v", users, time.Since(began).Round(time.Second))
	if db.Engine() == sqldb.PostgreSQL {
		// What autovacuum does before long.
		for _, table := range []string{"user_profiles", "derived_user_entries", "derived_user_words"} {
			if err := db.Write(b.Context(), func(tx *sqldb.Tx) error { _, err := tx.Exec(b.Context(), "ANALYZE "+table); return err }); err != nil {
				b.Fatal(err)
			}
		}
	}
	svc := user.New(user.Deps{Store: s, Cursors: page.NewSealer([]byte("0123456789abcdef"))}, user.Config{})
	who := principal.Principal{User: ids.New[ids.User](), Role: principal.Member}
	pick := func(r *rand.Rand) (username string, words []string) {
		p := all[r.IntN(len(all))]
		return p[0], strings.Fields(p[1])
	}
	prefix := func(n int) func(*rand.Rand) string {
		return func(r *rand.Rand) string {
			name, words := pick(r)
			if r.IntN(2) == 0 {
				name = words[r.IntN(len(words))]
			}
			letters := []rune(name)
			return string(letters[:min(n, len(letters))])
		}
	}
	kinds := []struct {
		name string
		make func(*rand.Rand) string
	}{
		{"exact username", func(r *rand.Rand) string { name, _ := pick(r); return name }},
		{"exact name", func(r *rand.Rand) string { _, words := pick(r); return strings.Join(words, " ") }},
		{"prefix of 1", prefix(1)},
		{"prefix of 2", prefix(2)},
		{"prefix of 3", prefix(3)},
		{"prefix of 4", prefix(4)},
		{"prefix of 5", prefix(5)},
		{"two beginnings", func(r *rand.Rand) string {
			_, words := pick(r)
			cut := func(w string) string { l := []rune(w); return string(l[:min(len(l), 3)]) }
			return cut(words[0]) + " " + cut(words[len(words)-1])
		}},
		{"typo in a name", func(r *rand.Rand) string { _, words := pick(r); return slipIn(r, words[len(words)-1]) }},
		{"typo in a username", func(r *rand.Rand) string { name, _ := pick(r); return slipIn(r, name) }},
		{"typo in one of two", func(r *rand.Rand) string {
			_, words := pick(r)
			return words[0] + " " + slipIn(r, words[len(words)-1])
		}},
		{"word in the middle", func(r *rand.Rand) string { _, words := pick(r); return words[len(words)/2] }},
		{"within a word", func(r *rand.Rand) string {
			name, _ := pick(r)
			letters := []rune(name)
			return string(letters[1:min(len(letters), 7)])
		}},
		{"common first name", func(r *rand.Rand) string { return firstNames[r.IntN(8)] }},
		{"nothing found", func(r *rand.Rand) string { return fmt.Sprintf("qx%c%czwvk", 'a'+r.IntN(26), 'a'+r.IntN(26)) }},
		{"CJK of one", func(r *rand.Rand) string { return string(hanNames[r.IntN(len(hanNames))]) }},
		{"CJK of two", func(r *rand.Rand) string { return string(hanNames[r.IntN(8)]) + string(hanGiven[r.IntN(8)]) }},
	}
	for _, k := range kinds {
		b.Run(strings.ReplaceAll(k.name, " ", "_"), func(b *testing.B) {
			r := rand.New(rand.NewPCG(1, 2))
			first := int32(20)
			var took []time.Duration
			found, slowest := 0, ""
			for b.Loop() {
				q := k.make(r)
				began := time.Now()
				f, err := svc.Search(b.Context(), who, q, page.Args{First: &first})
				if err != nil {
					b.Fatalf("%q: %v", q, err)
				}
				d := time.Since(began)
				if len(took) > 0 && d > slices.Max(took) {
					slowest = q
				}
				took, found = append(took, d), found+len(f.Profiles)
			}
			slices.Sort(took)
			ms := func(d time.Duration) float64 { return math.Round(d.Seconds()*1e5) / 100 }
			b.ReportMetric(ms(took[len(took)/2]), "p50-ms")
			b.ReportMetric(ms(took[len(took)*95/100]), "p95-ms")
			b.ReportMetric(ms(took[len(took)-1]), "slowest-ms")
			b.ReportMetric(float64(found)/float64(len(took)), "found")
			b.ReportMetric(0, "ns/op")
			if slowest != "" && len(took) > 10 {
				b.Logf("slowest: %q", slowest)
			}
		})
	}
	b.Logf("a profile is created in %v among none, in %v among all (medians)", before, create(b, s))
}

// create returns the median of what creating a profile takes.
func create(b *testing.B, s *usersql.Store) time.Duration {
	b.Helper()
	took := make([]time.Duration, 200)
	for i := range took {
		name := "new" + ids.New[ids.User]().String()[4:]
		p := usertest.Profile(name[:min(len(name), 32)], "Anna "+name[len(name)-6:])
		began := time.Now()
		if err := s.Create(b.Context(), p); err != nil {
			b.Fatal(err)
		}
		took[i] = time.Since(began)
	}
	slices.Sort(took)
	return took[len(took)/2].Round(time.Microsecond)
}

// slipIn makes a word wrong as typists do.
func slipIn(r *rand.Rand, word string) string {
	l := []rune(word)
	if len(l) < 4 {
		return word
	}
	at := 1 + r.IntN(len(l)-2)
	switch r.IntN(4) {
	case 0:
		l[at], l[at+1] = l[at+1], l[at]
	case 1:
		l = slices.Delete(l, at, at+1)
	case 2:
		l = slices.Insert(l, at, l[at])
	default:
		l[at] = rune('a' + r.IntN(26))
	}
	return string(l)
}

// crowd puts users into a database whose index was taken away, and returns
// their names.
func crowd(b *testing.B, db *sqldb.DB, n int) [][2]string {
	b.Helper()
	r := rand.New(rand.NewPCG(7, 7))
	frequent := func(of int) int { // as Zipf has it
		return int(math.Exp(r.Float64()*math.Log(float64(of)))) - 1
	}
	taken := make(map[string]bool, n)
	all := make([][2]string, 0, n)
	for len(all) < n {
		first, last := firstNames[frequent(len(firstNames))], lastName(frequent(6000))
		name, username := first+" "+last, ""
		switch r.IntN(20) {
		case 0:
			name = string(hanNames[frequent(len(hanNames))]) + string(hanGiven[frequent(len(hanGiven))]) + string(hanGiven[r.IntN(len(hanGiven))])
		case 1:
			name = cyrillic[frequent(len(cyrillic))] + " " + cyrillic[r.IntN(len(cyrillic))] + "ов"
		case 2, 3:
			name = first + " " + firstNames[r.IntN(len(firstNames))] + " " + last
		}
		switch r.IntN(4) {
		case 0:
			username = first + "." + last
		case 1:
			username = first[:1] + last
		case 2:
			username = first + strconv.Itoa(r.IntN(9999))
		default:
			username = last + "_" + first[:2]
		}
		username = username[:min(len(username), 26)]
		for taken[username] {
			username += strconv.Itoa(r.IntN(10))
			if len(username) > 32 {
				username = "u" + strconv.Itoa(len(all))
			}
		}
		taken[username] = true
		all = append(all, [2]string{username, name})
	}
	load(b, db, all)
	return all
}

// load puts users and their index into a database sorted, which takes minutes
// where IndexNames, which others write beside, would take an hour.
func load(b *testing.B, db *sqldb.DB, all [][2]string) {
	b.Helper()
	at := usertest.Born.UnixMicro()
	var profiles, entries, words [][]any
	known := make(map[string]bool)
	for _, u := range all {
		profiles = append(profiles, []any{ids.New[ids.User]().Bytes(), u[0], u[1], at, at})
		folded := user.FoldNames(u[0], u[1])
		for _, w := range user.Words(folded) {
			entries = append(entries, []any{w, u[0], folded})
			if user.IsTerm(w) && !known[w] {
				known[w] = true
				words = append(words, []any{int64(utf8.RuneCountInString(w)), w, alike.Reverse(w), alike.Spell(w)})
			}
		}
	}
	text := func(v any) string { s, _ := v.(string); return s }
	slices.SortFunc(entries, func(a, b []any) int {
		return cmp.Or(strings.Compare(text(a[0]), text(b[0])), strings.Compare(text(a[1]), text(b[1])))
	})
	number := func(v any) int64 { n, _ := v.(int64); return n }
	slices.SortFunc(words, func(a, b []any) int {
		return cmp.Or(cmp.Compare(number(a[0]), number(b[0])), strings.Compare(text(a[1]), text(b[1])))
	})
	do := func(f func(tx *sqldb.Tx) error) {
		if err := db.Lane("move").Write(b.Context(), f); err != nil {
			b.Fatal(err)
		}
	}
	run := func(texts ...string) {
		for _, text := range texts {
			do(func(tx *sqldb.Tx) error { _, err := tx.Exec(b.Context(), text); return err })
		}
	}
	copied := func(table string, columns []string, rows [][]any) {
		for part := range slices.Chunk(rows, 20_000) {
			do(func(tx *sqldb.Tx) error { return tx.CopyIn(b.Context(), table, columns, part) })
		}
	}
	run(`DELETE FROM derived_user_entries`, `DELETE FROM derived_user_words`)
	copied("user_profiles", []string{"id", "username", "display_name", "created_at", "updated_at"}, profiles)
	copied("derived_user_entries", []string{"word", "username", "names"}, entries)
	run(`DROP INDEX derived_user_words_by_end`)
	if db.Engine() == sqldb.PostgreSQL {
		run(`DROP INDEX derived_user_words_within`)
		copied("derived_user_words", []string{"size", "word", "reversed", "spelling"}, words)
		run(`CREATE INDEX derived_user_words_within ON derived_user_words USING gin (spelling public.gin_trgm_ops) WITH (fastupdate = off)`)
	} else {
		run(`INSERT INTO derived_user_trigrams (derived_user_trigrams) VALUES ('delete-all')`)
		for i, w := range words {
			words[i] = append([]any{int64(i+1)<<6 | min(number(w[0]), 63)}, w...)
		}
		for part := range slices.Chunk(words, 20_000) {
			rows := make([][]any, len(part))
			for i, w := range part {
				rows[i] = w[:4]
			}
			do(func(tx *sqldb.Tx) error {
				for _, w := range part {
					if _, err := tx.Exec(b.Context(), `INSERT INTO derived_user_trigrams (rowid, spelling) VALUES ($1, $2)`, w[0], w[4]); err != nil {
						return err
					}
				}
				return tx.CopyIn(b.Context(), "derived_user_words", []string{"id", "size", "word", "reversed"}, rows)
			})
		}
	}
	run(`CREATE INDEX derived_user_words_by_end ON derived_user_words (size, reversed)`)
	b.Logf("%d entries, %d words", len(entries), len(words))
}

var (
	firstNames = strings.Fields(`anna maria john james michael david robert mary jennifer thomas linda william sarah daniel laura peter
		lisa mark julia paul sandra andreas stefan christian martin alexander sophie emma mia hannah leon lukas felix jonas elias noah
		oliver jack harry george charlie amelia isla ava olivia emily jessica chloe ruby grace mohammed ahmed fatima aisha omar ali
		hassan yusuf ibrahim khadija sofia lucia martina paula carlos jose juan luis miguel javier antonio manuel francisco pedro
		giulia francesca chiara marco luca matteo giovanni pierre jean marie camille louis hugo arthur jules ines zoe lea manon
		ingrid astrid bjorn lars sven erik nils karin ulrika agnieszka katarzyna piotr pawel krzysztof tomasz zuzanna jakub jan
		priya rahul amit sunita deepak anjali vikram kavita raj neha kenji yuki haruto sakura wei ming fang li xin hao jing`)
	hanNames = []rune("王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾萧田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤")
	hanGiven = []rune("伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉红梅文辉建国志海波宁飞鹏宇浩然子轩涵雨欣怡思佳琪晨曦博睿")
	cyrillic = strings.Fields(`александр дмитрий иван сергей андрей мария анна елена ольга наталья алексей михаил николай павел роман татьяна ирина`)
)

// lastName makes up surnames of syllables, each number its own.
func lastName(n int) string {
	starts := strings.Fields(`schmi mül wei schnei fi wag be hoff schä ko bau rich klei wol schrö neu schwar zim brau krü hof har lan wer krau mei leh
		schul kö wal ho kai fuch lo vo fran bra mo pe ric o smi jon bro wil ander tho jack whi cla lew rob`)
	mids := strings.Fields(`t l ner ger mer der ter ler mann son ton ling lin ber bel fer`)
	ends := strings.Fields(`er el en mann son berg stein feld bauer meyer hagen`)
	return starts[n%len(starts)] + mids[n/len(starts)%len(mids)] + ends[n/len(starts)/len(mids)%len(ends)]
}
