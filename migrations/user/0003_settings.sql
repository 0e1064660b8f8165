-- +goose Up

-- How users want to have things. Who has changed nothing has no row.
CREATE TABLE user_settings (
    user_id             BYTEA  NOT NULL PRIMARY KEY REFERENCES user_profiles (id) ON DELETE CASCADE,
    share_read_receipts BIGINT NOT NULL DEFAULT 1
);
CREATE INDEX user_settings_hiding ON user_settings (user_id) WHERE share_read_receipts = 0;
