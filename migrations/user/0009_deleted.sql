-- +goose Up

-- When the account was deleted; 0: it was not. What is left of a profile then
-- has no names.
ALTER TABLE user_profiles ADD COLUMN deleted_at BIGINT NOT NULL DEFAULT 0;

-- What the log says of a profile, to be blanked with it.
CREATE INDEX user_changes_of_profiles ON user_changes (key) WHERE name = 'user.profile_updated.v1';
