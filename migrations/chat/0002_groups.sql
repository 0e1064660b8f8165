-- +goose Up

-- Of a CONVERSATION change after the first, what name and description were
-- and became, as JSON.
ALTER TABLE chat_change ADD COLUMN about TEXT;

-- The channels that somebody is in, by their folded names. Keys and terms are
-- compared by their bytes.
CREATE TABLE chat_channel (
    place        TEXT PRIMARY KEY NOT NULL,
    conversation BLOB NOT NULL UNIQUE REFERENCES chat_conversation (id)
) STRICT;
CREATE TABLE chat_channel_term (
    term         TEXT NOT NULL,
    conversation BLOB NOT NULL,
    PRIMARY KEY (term, conversation)
) STRICT;
CREATE INDEX chat_channel_term_of ON chat_channel_term (conversation, term);

-- Of a code there is only its hash. max_uses is 0 for as many as like.
CREATE TABLE chat_invite (
    id           BLOB PRIMARY KEY NOT NULL,
    hash         BLOB NOT NULL UNIQUE,
    conversation BLOB NOT NULL REFERENCES chat_conversation (id),
    creator      BLOB NOT NULL,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER,
    max_uses     INTEGER NOT NULL,
    uses         INTEGER NOT NULL,
    revoked_at   INTEGER
) STRICT;
CREATE INDEX chat_invite_of ON chat_invite (conversation, id) WHERE revoked_at IS NULL;
