-- +goose Up

-- How many changes have become visible: every change of this context takes
-- the next number. Epoch names the run of numbers: a restored backup gets
-- another, so that numbers given out after it was made are never mistaken.
CREATE TABLE chat_position (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    pos   INTEGER NOT NULL,
    epoch TEXT NOT NULL
) STRICT;

-- direct_key is the two user ids of a DIRECT conversation, sorted: a pair has
-- one conversation. last_pos is the newest change, receipts too; active_pos
-- the newest message or the creation.
CREATE TABLE chat_conversation (
    id             BLOB PRIMARY KEY NOT NULL,
    kind           TEXT NOT NULL,
    name           TEXT NOT NULL,
    description    TEXT NOT NULL,
    creator        BLOB NOT NULL,
    direct_key     BLOB UNIQUE,
    created_at     INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL,
    archived_at    INTEGER,
    last_seq       INTEGER NOT NULL,
    last_rev       INTEGER NOT NULL,
    last_ord       INTEGER NOT NULL,
    last_pos       INTEGER NOT NULL,
    active_pos     INTEGER NOT NULL,
    member_version INTEGER NOT NULL,
    member_count   INTEGER NOT NULL
) STRICT;

-- A former member's row stays with the position at which he left, so that his
-- own removal can be replayed. read_pos is the position of his newest receipt
-- and read_top the conversation's last_ord then; both 0 without one.
CREATE TABLE chat_member (
    conversation  BLOB NOT NULL REFERENCES chat_conversation (id),
    user_id       BLOB NOT NULL,
    role          TEXT NOT NULL,
    joined_at     INTEGER NOT NULL,
    left_pos      INTEGER,
    read_seq      INTEGER NOT NULL,
    read_ord      INTEGER NOT NULL,
    delivered_seq INTEGER NOT NULL,
    read_pos      INTEGER NOT NULL,
    read_top      INTEGER NOT NULL,
    PRIMARY KEY (conversation, user_id)
) STRICT;
CREATE INDEX chat_member_user ON chat_member (user_id);
CREATE INDEX chat_member_joined ON chat_member (conversation, joined_at, user_id) WHERE left_pos IS NULL;
CREATE INDEX chat_member_read ON chat_member (conversation, read_pos) WHERE read_pos > 0;
CREATE UNIQUE INDEX chat_member_receipt ON chat_member (read_pos) WHERE read_pos > 0;

-- A message in its newest state is its own journal entry: pos and add_rev are
-- those of its adding, rev is that of its newest change. No foreign key: the
-- writer has the conversation's counters in hand, and conversations stay.
CREATE TABLE chat_message (
    pos          INTEGER PRIMARY KEY,
    id           BLOB NOT NULL UNIQUE,
    conversation BLOB NOT NULL,
    seq          INTEGER NOT NULL,
    add_rev      INTEGER NOT NULL,
    rev          INTEGER NOT NULL,
    ord          INTEGER NOT NULL,
    kind         TEXT NOT NULL,
    sender       BLOB NOT NULL,
    text         TEXT NOT NULL,
    note         TEXT,
    client_id    TEXT,
    input_hash   BLOB,
    reply_to     BLOB,
    created_at   INTEGER NOT NULL,
    edited_at    INTEGER,
    deleted_at   INTEGER,
    UNIQUE (conversation, seq)
) STRICT;
CREATE UNIQUE INDEX chat_message_client ON chat_message (conversation, sender, client_id) WHERE client_id IS NOT NULL;

-- Every change that is no added message. kind says which columns are filled:
-- MESSAGE has message, and old_text when it was an edit (the edit history;
-- taken away when the message is deleted); MEMBERSHIP has user_id, change,
-- role and actor; CONVERSATION has none. ord is the conversation's last_ord
-- at the change.
CREATE TABLE chat_change (
    pos          INTEGER PRIMARY KEY,
    conversation BLOB NOT NULL REFERENCES chat_conversation (id),
    rev          INTEGER NOT NULL,
    ord          INTEGER NOT NULL,
    kind         TEXT NOT NULL,
    message      BLOB,
    old_text     TEXT,
    user_id      BLOB,
    change       TEXT,
    role         TEXT,
    actor        BLOB,
    at           INTEGER NOT NULL,
    UNIQUE (conversation, rev)
) STRICT;
CREATE INDEX chat_change_message ON chat_change (message, rev) WHERE message IS NOT NULL;
