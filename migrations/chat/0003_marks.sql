-- +goose Up

-- What has been put on a message, reactions and a pin, as JSON: NULL for most.
-- Its emoji stand in the order of their first use. pin_rev is the rev of the
-- pin, once more, to list pinned messages by.
ALTER TABLE chat_message ADD COLUMN marks TEXT;
ALTER TABLE chat_message ADD COLUMN pin_rev INTEGER;
CREATE UNIQUE INDEX chat_message_pin ON chat_message (conversation, pin_rev) WHERE pin_rev IS NOT NULL;

-- A change of a MESSAGE that is no edit and no deletion says in change what it
-- is: REACT, UNREACT, PIN or UNPIN. While a reaction is there, its REACT has
-- user_id and emoji.
ALTER TABLE chat_change ADD COLUMN emoji TEXT;
CREATE UNIQUE INDEX chat_change_reactor ON chat_change (message, user_id, emoji) WHERE emoji IS NOT NULL;
CREATE INDEX chat_change_reaction ON chat_change (message, emoji, pos) WHERE emoji IS NOT NULL;
