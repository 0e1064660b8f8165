-- +goose Up

-- What users are to each other, as each of the two sees it: FRIENDS and
-- requests have both rows, a block has that of who blocks. Strangers have none.
CREATE TABLE user_relationships (
    user_id  BYTEA  NOT NULL REFERENCES user_profiles (id) ON DELETE CASCADE,
    other_id BYTEA  NOT NULL REFERENCES user_profiles (id) ON DELETE CASCADE,
    state    TEXT   NOT NULL,
    since    BIGINT NOT NULL,
    PRIMARY KEY (user_id, other_id)
);
CREATE INDEX user_relationships_listed ON user_relationships (user_id, state, since, other_id);
CREATE INDEX user_relationships_of_other ON user_relationships (other_id);
CREATE INDEX user_relationships_blocked ON user_relationships (user_id, other_id) WHERE state = 'BLOCKED';

-- What a viewer has missed of them.
CREATE INDEX user_changes_of_relationships ON user_changes (key, pos) WHERE name = 'user.relationship_changed.v1';
