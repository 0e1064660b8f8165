package chat

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"iter"
	"reflect"
	"time"

	"chatd/internal/platform/ids"
)

// Archive reads all that a store holds, in a form that does not depend on the
// kind of store, so that a store of another kind can be filled with it and the
// two be compared. Nobody may write meanwhile. Nothing is held in memory but
// what is at hand; a sequence ends with its first error.
type Archive interface {
	// Position returns the epoch and the newest position.
	Position(ctx context.Context) (epoch string, pos int64, err error)
	// Conversations returns all conversations after the one, by their ids.
	Conversations(ctx context.Context, after ids.Conversation) iter.Seq2[ArchivedConversation, error]
	// Members returns members, former ones too, after the one, by
	// conversation and user.
	Members(ctx context.Context, after MemberID) iter.Seq2[ArchivedMember, error]
	// Invites returns all invites after the one, by their ids.
	Invites(ctx context.Context, after ids.GroupInvite) iter.Seq2[ArchivedInvite, error]
	// Journal returns all commits with a position after the one, by their
	// positions. Superseded receipts and settings are left out.
	Journal(ctx context.Context, after int64) iter.Seq2[Entry, error]
	// Reports returns all reports after the one, by their ids.
	Reports(ctx context.Context, after ids.Report) iter.Seq2[Report, error]
	// Files returns all files after the one, condemned ones too, by their ids.
	Files(ctx context.Context, after ids.Attachment) iter.Seq2[ArchivedFile, error]
}

// MemberID names a member.
type MemberID struct {
	Conversation ids.Conversation
	User         ids.User
}

// ArchivedConversation is a conversation with what only stores know of it.
type ArchivedConversation struct {
	Conversation
	LastPos int64 // of its newest change, receipts too
}

// ArchivedMember is a member, perhaps a former one.
type ArchivedMember struct {
	Member
	LeftPos, LeftRev int64 // of his leaving; 0 while he is in
	ReadPos          int64 // of his newest receipt; 0 without one
	ReadTop          int64 // the conversation's LastOrd then
	SetPos           int64 // of his newest settings; 0 without any
}

// ArchivedInvite is an invite with what its code is found by.
type ArchivedInvite struct {
	Invite
	Hash []byte
}

// ArchivedFile is a file, perhaps a condemned one.
type ArchivedFile struct {
	File
	Conversation ids.Conversation // of its message
	CondemnedAt  time.Time        // zero: it is not
	DoubtedAt    time.Time        // of a Doubt; zero: it is not
}

// Entry is a commit: what happened at one position, or at several that follow
// each other. One of Added, Revised, Made, Receipt and Settings is set.
type Entry struct {
	Pos          int64 // the last of its positions
	Conversation ids.Conversation
	Rev          int64 // of the last change; 0 for a receipt and settings
	Ord          int64 // the conversation's LastOrd then
	Added        *Added
	Revised      *Revised
	Made         *Made
	Thread       *ThreadChange // what Added or Revised did to the root of its thread besides; nil for nothing
	Receipt      *Receipt
	Settings     *SettingsOf
}

// Added is a message, in its newest state.
type Added struct {
	Message
	InputHash []byte
	Edit      *Edited // what the message is the note of; nil for none
}

// Edited is a change of who is in a conversation, or of its name and description, but for
// its note. Its changes have the positions and revs before the note's.
type Edited struct {
	Changes []Membership
	At      time.Time
	Version int64 // the MemberVersion after it
	Count   int64 // of members after it

	// About is set where those were changed, and then Changes is empty.
	About *AboutChange
}

// Revised is a change of a message. Where that was deleted, then or later,
// there are no texts.
type Revised struct {
	Message ids.Message
	Target  int64 // the position at which the message was added
	At      time.Time
	Kind    RevisionKind
	Before  string
	Text    string
	User    ids.User // of ToReact, while the reaction is there
	Emoji   string
}

// ThreadChange says which root was changed by what happened in its thread, at
// the position and rev before that.
type ThreadChange struct {
	Root   ids.Message
	Target int64 // the position at which the root was added
}

// Made is a conversation as it was made.
type Made struct {
	Conversation Conversation
	Members      []Member // by user
}

// ErrArchive says that a store holds what no run of this program writes.
var ErrArchive = errors.New("chat: the store is not as it was written")

// ErrDiffers says that two archives are not the same.
var ErrDiffers = errors.New("the two sides differ")

// The parts of an archive.
const (
	PartConversations = "conversations"
	PartMembers       = "members"
	PartInvites       = "invites"
	PartJournal       = "journal"
	PartReports       = "reports"
	PartFiles         = "files"
)

// ArchiveSum is what a part of an archive comes to.
type ArchiveSum struct {
	Part   string
	Count  int64
	SHA256 string
}

// CompareArchives reads two archives from beginning to end. The error is an
// ErrDiffers that names the first thing that is not the same. told hears of
// every thousand things compared.
func CompareArchives(ctx context.Context, a, b Archive, told func(part string, n int)) ([]ArchiveSum, error) {
	var x, y struct {
		epoch string
		pos   int64
	}
	var err, other error
	x.epoch, x.pos, err = a.Position(ctx)
	y.epoch, y.pos, other = b.Position(ctx)
	if err = errors.Join(err, other); err != nil {
		return nil, fmt.Errorf("compare positions: %w", err)
	}
	if x != y {
		return nil, fmt.Errorf("%w: one is at %d, the other at %d, or their epochs are not the same", ErrDiffers, x.pos, y.pos)
	}
	var sums []ArchiveSum
	for _, compare := range []func() (ArchiveSum, error){
		func() (ArchiveSum, error) {
			var first ids.Conversation
			return comparePart(PartConversations, a.Conversations(ctx, first), b.Conversations(ctx, first), told,
				func(c ArchivedConversation) string { return c.ID.String() })
		},
		func() (ArchiveSum, error) {
			var first MemberID
			return comparePart(PartMembers, a.Members(ctx, first), b.Members(ctx, first), told,
				func(m ArchivedMember) string { return fmt.Sprintf("%s in %s", m.User, m.Conversation) })
		},
		func() (ArchiveSum, error) {
			var first ids.GroupInvite
			return comparePart(PartInvites, a.Invites(ctx, first), b.Invites(ctx, first), told,
				func(i ArchivedInvite) string { return i.ID.String() })
		},
		func() (ArchiveSum, error) {
			return comparePart(PartJournal, a.Journal(ctx, 0), b.Journal(ctx, 0), told,
				func(e Entry) string { return fmt.Sprintf("position %d", e.Pos) })
		},
		func() (ArchiveSum, error) {
			var first ids.Report
			return comparePart(PartReports, a.Reports(ctx, first), b.Reports(ctx, first), told,
				func(r Report) string { return r.ID.String() })
		},
		func() (ArchiveSum, error) {
			var first ids.Attachment
			return comparePart(PartFiles, a.Files(ctx, first), b.Files(ctx, first), told,
				func(f ArchivedFile) string { return f.ID.String() })
		},
	} {
		sum, err := compare()
		if err != nil {
			return nil, err
		}
		sums = append(sums, sum)
	}
	return sums, nil
}

func comparePart[T any](
	part string, a, b iter.Seq2[T, error], told func(string, int), name func(T) string,
) (ArchiveSum, error) {
	nextA, stopA := iter.Pull2(a)
	defer stopA()
	nextB, stopB := iter.Pull2(b)
	defer stopB()
	left, right := sha256.New(), sha256.New()
	sum := ArchiveSum{Part: part}
	for ; ; sum.Count++ {
		if sum.Count > 0 && sum.Count%1000 == 0 {
			told(part, 1000)
		}
		x, errA, inA := nextA()
		y, errB, inB := nextB()
		if err := errors.Join(errA, errB); err != nil {
			return sum, fmt.Errorf("compare %s: %w", part, err)
		}
		switch {
		case !inA && !inB:
			told(part, int(sum.Count%1000))
			sum.SHA256 = hex.EncodeToString(left.Sum(nil))
			if other := hex.EncodeToString(right.Sum(nil)); other != sum.SHA256 {
				return sum, fmt.Errorf("compare %s: %w: %s and %s", part, ErrDiffers, sum.SHA256, other)
			}
			return sum, nil
		case !inB:
			return sum, fmt.Errorf("compare %s: %w: the second ends before %s", part, ErrDiffers, name(x))
		case !inA:
			return sum, fmt.Errorf("compare %s: %w: the first ends before %s", part, ErrDiffers, name(y))
		case !reflect.DeepEqual(x, y):
			return sum, fmt.Errorf("compare %s: %w at %s, or %s", part, ErrDiffers, name(x), name(y))
		}
		if err := errors.Join(add(left, x), add(right, y)); err != nil {
			return sum, fmt.Errorf("compare %s: %w", part, err)
		}
	}
}

func add(to hash.Hash, v any) error {
	text, err := json.Marshal(v)
	if err == nil {
		_, err = to.Write(append(text, '\n'))
	}
	return err
}
