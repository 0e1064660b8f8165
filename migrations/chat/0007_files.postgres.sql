-- +goose Up

-- As 0007_files.sql, with this engine's types.

-- What a message tells of its files, as JSON; NULL where it has none.
ALTER TABLE chat_message ADD COLUMN attachments TEXT;

-- The files that were uploaded, from the first byte on. length is what the
-- quota counts; content_type and what follows are NULL until all of a file is
-- there; message is NULL until one has it. condemned_at is set when nobody
-- shall see it any more: the row stays until the bytes are gone.
CREATE TABLE chat_file (
    id           BYTEA PRIMARY KEY NOT NULL,
    uploader     BYTEA NOT NULL,
    length       BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    name         TEXT NOT NULL,
    content_type TEXT,
    size         BIGINT,
    width        BIGINT,
    height       BIGINT,
    thumbnail    BIGINT,
    message      BYTEA,
    condemned_at BIGINT
);
CREATE INDEX chat_file_uploader ON chat_file (uploader);
CREATE INDEX chat_file_message ON chat_file (message) WHERE message IS NOT NULL;
CREATE INDEX chat_file_unsent ON chat_file (created_at) WHERE message IS NULL AND condemned_at IS NULL;
CREATE INDEX chat_file_condemned ON chat_file (condemned_at) WHERE condemned_at IS NOT NULL;
