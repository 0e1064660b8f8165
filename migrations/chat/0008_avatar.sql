-- +goose Up

-- A file that its uploader wears, as the picture of his profile: 1, else NULL.
-- doubted_at is when it may have been put on or taken off; NULL once the profile
-- was asked after that. It is in no message, and not removed for that.
ALTER TABLE chat_file ADD COLUMN worn INTEGER;
ALTER TABLE chat_file ADD COLUMN doubted_at INTEGER;
DROP INDEX chat_file_unsent;
CREATE INDEX chat_file_unsent ON chat_file (created_at) WHERE message IS NULL AND condemned_at IS NULL AND worn IS NULL;
CREATE INDEX chat_file_doubted ON chat_file (doubted_at) WHERE doubted_at IS NOT NULL;
