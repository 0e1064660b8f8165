-- +goose Up

-- As 0002_groups.sql, with this engine's types.

-- Of a CONVERSATION change after the first, what name and description were
-- and became, as JSON.
ALTER TABLE chat_change ADD COLUMN about TEXT;

-- The channels that somebody is in, by their folded names. Keys and terms are
-- compared by their bytes.
CREATE TABLE chat_channel (
    place        TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    conversation BYTEA NOT NULL UNIQUE REFERENCES chat_conversation (id)
);
CREATE TABLE chat_channel_term (
    term         TEXT COLLATE "C" NOT NULL,
    conversation BYTEA NOT NULL,
    PRIMARY KEY (term, conversation)
);
CREATE INDEX chat_channel_term_of ON chat_channel_term (conversation, term);

-- Of a code there is only its hash. max_uses is 0 for as many as like.
CREATE TABLE chat_invite (
    id           BYTEA PRIMARY KEY NOT NULL,
    hash         BYTEA NOT NULL UNIQUE,
    conversation BYTEA NOT NULL REFERENCES chat_conversation (id),
    creator      BYTEA NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT,
    max_uses     BIGINT NOT NULL,
    uses         BIGINT NOT NULL,
    revoked_at   BIGINT
);
CREATE INDEX chat_invite_of ON chat_invite (conversation, id) WHERE revoked_at IS NULL;
