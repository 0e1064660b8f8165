-- +goose Up

-- The file that is shown as the user's picture; NULL for none.
ALTER TABLE user_profiles ADD COLUMN avatar BYTEA;
