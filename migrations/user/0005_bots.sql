-- +goose Up

-- Whether the account is a program: 1 or 0.
ALTER TABLE user_profiles ADD COLUMN bot BIGINT NOT NULL DEFAULT 0;
