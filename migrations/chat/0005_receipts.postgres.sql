-- +goose Up

-- seen_seq is how far a member had read when he marked something unread, and
-- what others see of him; joined_seq the newest message before he came in.
-- The others are his own settings, set_pos the position of their newest
-- change; 0 where there was none.
ALTER TABLE chat_member ADD COLUMN seen_seq BIGINT NOT NULL DEFAULT 0;
ALTER TABLE chat_member ADD COLUMN joined_seq BIGINT NOT NULL DEFAULT 0;
ALTER TABLE chat_member ADD COLUMN muted_until BIGINT;
ALTER TABLE chat_member ADD COLUMN pinned BIGINT NOT NULL DEFAULT 0;
ALTER TABLE chat_member ADD COLUMN put_away BIGINT NOT NULL DEFAULT 0;
ALTER TABLE chat_member ADD COLUMN notify TEXT NOT NULL DEFAULT '';
ALTER TABLE chat_member ADD COLUMN set_pos BIGINT NOT NULL DEFAULT 0;
CREATE UNIQUE INDEX chat_member_set ON chat_member (set_pos) WHERE set_pos > 0;

-- What members report to the administrators. There is no copy of the message.
CREATE TABLE chat_report (
    id           BYTEA PRIMARY KEY,
    message      BYTEA NOT NULL,
    conversation BYTEA NOT NULL,
    reporter     BYTEA NOT NULL,
    reason       TEXT NOT NULL,
    created_at   BIGINT NOT NULL,
    resolution   TEXT,
    note         TEXT,
    resolver     BYTEA,
    resolved_at  BIGINT
);
CREATE UNIQUE INDEX chat_report_open ON chat_report (message, reporter) WHERE resolved_at IS NULL;
CREATE INDEX chat_report_state ON chat_report (id) WHERE resolved_at IS NULL;
