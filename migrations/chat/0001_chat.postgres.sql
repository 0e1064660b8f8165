-- +goose Up

-- As 0001_chat.sql, with this engine's types. Rows that are rewritten often
-- leave room in their page for the next version.

-- How many changes have become visible: every change of this context takes
-- the next number. Epoch names the run of numbers: a restored backup gets
-- another, so that numbers given out after it was made are never mistaken.
CREATE TABLE chat_position (
    id    BIGINT PRIMARY KEY CHECK (id = 1),
    pos   BIGINT NOT NULL,
    epoch TEXT NOT NULL
);

-- direct_key is the two user ids of a DIRECT conversation, sorted: a pair has
-- one conversation. last_pos is the newest change, receipts too; active_pos
-- the newest message or the creation.
CREATE TABLE chat_conversation (
    id             BYTEA PRIMARY KEY NOT NULL,
    kind           TEXT NOT NULL,
    name           TEXT NOT NULL,
    description    TEXT NOT NULL,
    creator        BYTEA NOT NULL,
    direct_key     BYTEA UNIQUE,
    created_at     BIGINT NOT NULL,
    updated_at     BIGINT NOT NULL,
    archived_at    BIGINT,
    last_seq       BIGINT NOT NULL,
    last_rev       BIGINT NOT NULL,
    last_ord       BIGINT NOT NULL,
    last_pos       BIGINT NOT NULL,
    active_pos     BIGINT NOT NULL,
    member_version BIGINT NOT NULL,
    member_count   BIGINT NOT NULL
) WITH (fillfactor = 70);

-- A former member's row stays with the position at which he left, so that his
-- own removal can be replayed. read_pos is the position of his newest receipt
-- and read_top the conversation's last_ord then; both 0 without one.
CREATE TABLE chat_member (
    conversation  BYTEA NOT NULL REFERENCES chat_conversation (id),
    user_id       BYTEA NOT NULL,
    role          TEXT NOT NULL,
    joined_at     BIGINT NOT NULL,
    left_pos      BIGINT,
    read_seq      BIGINT NOT NULL,
    read_ord      BIGINT NOT NULL,
    delivered_seq BIGINT NOT NULL,
    read_pos      BIGINT NOT NULL,
    read_top      BIGINT NOT NULL,
    PRIMARY KEY (conversation, user_id)
) WITH (fillfactor = 70);
CREATE INDEX chat_member_user ON chat_member (user_id);
CREATE INDEX chat_member_joined ON chat_member (conversation, joined_at, user_id) WHERE left_pos IS NULL;
CREATE INDEX chat_member_read ON chat_member (conversation, read_pos) WHERE read_pos > 0;
CREATE UNIQUE INDEX chat_member_receipt ON chat_member (read_pos) WHERE read_pos > 0;

-- A message in its newest state is its own journal entry: pos and add_rev are
-- those of its adding, rev is that of its newest change. No foreign key: the
-- writer has the conversation's counters in hand, and conversations stay.
CREATE TABLE chat_message (
    pos          BIGINT PRIMARY KEY,
    id           BYTEA NOT NULL UNIQUE,
    conversation BYTEA NOT NULL,
    seq          BIGINT NOT NULL,
    add_rev      BIGINT NOT NULL,
    rev          BIGINT NOT NULL,
    ord          BIGINT NOT NULL,
    kind         TEXT NOT NULL,
    sender       BYTEA NOT NULL,
    text         TEXT NOT NULL,
    note         TEXT,
    client_id    TEXT,
    input_hash   BYTEA,
    reply_to     BYTEA,
    created_at   BIGINT NOT NULL,
    edited_at    BIGINT,
    deleted_at   BIGINT,
    UNIQUE (conversation, seq)
);
CREATE UNIQUE INDEX chat_message_client ON chat_message (conversation, sender, client_id) WHERE client_id IS NOT NULL;

-- Every change that is no added message. kind says which columns are filled:
-- MESSAGE has message, and old_text when it was an edit (the edit history;
-- taken away when the message is deleted); MEMBERSHIP has user_id, change,
-- role and actor; CONVERSATION has none. ord is the conversation's last_ord
-- at the change.
CREATE TABLE chat_change (
    pos          BIGINT PRIMARY KEY,
    conversation BYTEA NOT NULL REFERENCES chat_conversation (id),
    rev          BIGINT NOT NULL,
    ord          BIGINT NOT NULL,
    kind         TEXT NOT NULL,
    message      BYTEA,
    old_text     TEXT,
    user_id      BYTEA,
    change       TEXT,
    role         TEXT,
    actor        BYTEA,
    at           BIGINT NOT NULL,
    UNIQUE (conversation, rev)
);
CREATE INDEX chat_change_message ON chat_change (message, rev) WHERE message IS NOT NULL;
