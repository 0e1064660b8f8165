package chatsql_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"chatd/internal/chat"
	"chatd/internal/chat/chattest"
	"chatd/internal/platform/ids"
	"chatd/internal/platform/sqldb/sqldbtest"
)

// A new database has no statistics, and a statement is planned once: what was
// planned for empty tables must not go through a conversation that has grown
// for every key that is looked up. Which plan is made depends on the moment;
// bad ones were made in one run of three.
func TestABusyConversationOfANewDatabaseIsNotReadForEveryMessage(t *testing.T) {
	t.Parallel()
	db := sqldbtest.Postgres(t)
	ada := chattest.Users(1)[0]
	room := chattest.NewFixture(setup(t, db)).Group(t, ada)
	send := func(store chat.Store, clientID string) {
		_, err := store.Append(t.Context(), chat.NewMessage{
			ID: ids.New[ids.Message](), Conversation: room.ID, Sender: ada, Kind: chat.Text, Text: clientID,
			ClientID: clientID, InputHash: []byte(clientID), CreatedAt: time.Now(), Version: room.MemberVersion,
		})
		if err != nil {
			t.Error(err)
		}
	}
	const senders, each = 64, 40
	store := setup(t, db)
	var wg sync.WaitGroup
	for i := range senders {
		wg.Go(func() {
			for n := range each {
				send(store, fmt.Sprint(i, " ", n))
			}
		})
	}
	wg.Wait()
	// What a session has counted is there a second later.
	deadline := time.Now().Add(20 * time.Second)
	for {
		var added, read int64
		err := db.QueryRow(t.Context(), `SELECT n_tup_ins, seq_tup_read + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes i
				WHERE i.relid = t.relid) FROM pg_stat_user_tables t WHERE t.relid = 'chat_message'::regclass`).Scan(&added, &read)
		if err != nil {
			t.Fatal(err)
		}
		if added >= senders*each {
			t.Logf("%d rows read for %d messages", read, added)
			if read > 1000*1000 { // some until there are a thousand messages
				t.Errorf("%d rows were read for %d messages", read, added)
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d messages were counted", added)
		}
		send(store, time.Now().String()) // so that the session counts
		<-time.After(100 * time.Millisecond)
	}
}
