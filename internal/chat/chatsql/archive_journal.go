package chatsql

import (
	"context"
	"database/sql"
	"fmt"
	"iter"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/sqldb"
)

// journal merges all that has positions.
type journal struct {
	ctx context.Context //nolint:containedctx // Of one call, which is over when journal is.
	db  *sqldb.DB

	added, receipts, settings front[chat.Entry]

	changes  front[change]
	versions map[ids.Conversation]edition // of those edited so far; some
}

// front is a sequence with the first of what is left of it.
type front[T any] struct {
	at   T
	err  error
	ok   bool
	pull func() (T, error, bool)
}

func (f *front[T]) open(seq iter.Seq2[T, error]) (stop func()) {
	f.pull, stop = iter.Pull2(seq)
	f.advance()
	return stop
}

func (f *front[T]) advance() { f.at, f.err, f.ok = f.pull() }

// edition is a conversation's members as of an edit of them.
type edition struct{ version, count int64 }

// mostEditions bounds how many are in memory; others are counted again.
const mostEditions = 16_384

func (j *journal) open(after int64) (stop func()) {
	stops := []func(){
		j.added.open(addedRows(j.ctx, j.db, after)),
		j.changes.open(changeRows(j.ctx, j.db, after)),
		j.receipts.open(receiptRows(j.ctx, j.db, after)),
		j.settings.open(settingsRows(j.ctx, j.db, after)),
	}
	return func() {
		for _, stop := range stops {
			stop()
		}
	}
}

// next returns the commit with the next position.
func (j *journal) next() (e chat.Entry, ok bool, err error) {
	for _, failed := range []error{j.added.err, j.changes.err, j.receipts.err, j.settings.err} {
		if failed != nil {
			return e, false, failed
		}
	}
	from := 0
	for i, h := range []struct {
		ok  bool
		pos int64
	}{{j.added.ok, j.added.at.Pos}, {j.changes.ok, j.changes.at.Pos}, {j.receipts.ok, j.receipts.at.Pos}, {j.settings.ok, j.settings.at.Pos}} {
		if h.ok && (!ok || h.pos < e.Pos) {
			e.Pos, ok, from = h.pos, true, i
		}
	}
	switch {
	case !ok:
	case from == 0:
		e = j.added.at
		j.added.advance()
	case from == 2:
		e = j.receipts.at
		j.receipts.advance()
	case from == 3:
		e = j.settings.at
		j.settings.advance()
	case j.changes.at.membership != nil || j.changes.at.about != nil:
		e, err = j.edit()
	case j.changes.at.Thread != nil:
		e, err = j.thread()
	default:
		c := j.changes.at
		j.changes.advance()
		if e = c.Entry; e.Made != nil {
			e.Made, err = j.made(e, c.at)
		}
	}
	return e, ok, err
}

// edit gathers the changes of an edit of members, or that of name and description, and its
// note.
func (j *journal) edit() (chat.Entry, error) {
	first := j.changes.at
	did := &chat.Edited{At: instant(first.at), About: first.about}
	joined, ended, n := int64(0), int64(0), int64(0)
	if did.About != nil {
		j.changes.advance()
		n = 1
	}
	for ; did.About == nil && j.changes.ok && j.changes.at.membership != nil; j.changes.advance() {
		c := j.changes.at
		if c.Conversation != first.Conversation || c.Pos != first.Pos+n || c.Rev != first.Rev+n || c.Ord != first.Ord || c.at != first.at {
			break
		}
		did.Changes = append(did.Changes, *c.membership)
		n++
		switch {
		case c.membership.Change == chat.Joined:
			joined++
		case c.membership.Change.Ends():
			ended++
		}
	}
	if j.changes.err != nil {
		return chat.Entry{}, j.changes.err
	}
	e := j.added.at
	if !j.added.ok || e.Conversation != first.Conversation || e.Pos != first.Pos+n || e.Rev != first.Rev+n || e.Ord != first.Ord ||
		e.Added.Kind != chat.System {
		return chat.Entry{}, fmt.Errorf("%w: the change at %d has no note", chat.ErrArchive, first.Pos)
	}
	before, err := j.edition(e.Conversation, first.Rev)
	if err != nil {
		return chat.Entry{}, err
	}
	after := edition{before.version + 1, before.count + joined - ended}
	if len(j.versions) >= mostEditions {
		clear(j.versions)
	}
	j.versions[e.Conversation] = after
	did.Version, did.Count = after.version, after.count
	e.Added.Edit = did
	j.added.advance()
	return e, nil
}

// thread puts the change of a root to what happened in its thread, the next
// commit.
func (j *journal) thread() (chat.Entry, error) {
	root := j.changes.at
	j.changes.advance()
	e, ok, err := j.next()
	if err != nil {
		return e, err
	}
	in := false
	switch {
	case e.Added != nil:
		in = e.Added.ThreadRoot == root.Thread.Root && e.Ord == root.Ord+1 && e.Added.CreatedAt.Equal(instant(root.at))
	case e.Revised != nil:
		in = e.Revised.Kind == chat.ToDelete && e.Ord == root.Ord && e.Revised.At.Equal(instant(root.at))
	}
	if !ok || !in || e.Thread != nil || e.Conversation != root.Conversation || e.Pos != root.Pos+1 || e.Rev != root.Rev+1 {
		return e, fmt.Errorf("%w: the change of a thread at %d is of nothing", chat.ErrArchive, root.Pos)
	}
	e.Thread = root.Thread
	return e, nil
}

// edition tells how the members of a conversation were before a rev, where it
// is not known from the edit before: counted back from today.
func (j *journal) edition(id ids.Conversation, before int64) (edition, error) {
	if at, ok := j.versions[id]; ok {
		return at, nil
	}
	var at edition
	err := j.db.QueryRow(j.ctx, `SELECT member_version, member_count FROM chat_conversation WHERE id = $1`, id).
		Scan(&at.version, &at.count)
	if err != nil {
		return at, err
	}
	last := int64(0) // the rev of the change before, of the same edit or not
	err = j.changesOf(id, func(m chat.Membership, _ *chat.AboutChange, rev int64) {
		if rev < before {
			return
		}
		if rev != last+1 { // a note is between two edits
			at.version--
		}
		last = rev
		switch {
		case m.Change == chat.Joined:
			at.count--
		case m.Change.Ends():
			at.count++
		}
	})
	return at, err
}

// changesOf calls fn with all changes of members, or of name and description, of a
// conversation, in their order.
func (j *journal) changesOf(id ids.Conversation, fn func(m chat.Membership, s *chat.AboutChange, rev int64)) error {
	type row struct {
		m   chat.Membership
		s   *chat.AboutChange
		rev int64
	}
	for r, err := range walked(j.ctx, j.db, func(r sqldb.Row) (c row, err error) {
		var set, role, about sql.NullString
		if err = r.Scan(&c.rev, &c.m.User, &set, &role, &about); err == nil {
			c.s, err = aboutOf(about)
		}
		c.m.Change, c.m.Role = chat.Change(set.String), chat.Role(role.String)
		return c, err
	}, `SELECT rev, user_id, change, role, about FROM chat_change
		WHERE conversation = $1 AND rev > $2 AND (kind = 'MEMBERSHIP' OR about IS NOT NULL) ORDER BY rev LIMIT $3`,
		[]any{id, int64(0)}, func(c row) []any { return []any{id, c.rev} }) {
		if err != nil {
			return err
		}
		fn(r.m, r.s, r.rev)
	}
	return nil
}
