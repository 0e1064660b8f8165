-- +goose Up

-- As 0004_threads.sql, with this engine's types. Threads and mentions. Columns that a plain message leaves NULL, and an index
-- that it is not in.
--
-- thread_root is the message whose thread a message is in; a message in a
-- thread is no root. thread is what a root knows of its thread, as JSON, NULL
-- before the first reply. mentions is whom a message mentions, as JSON.
--
-- A change of kind THREAD in chat_change has message, the root: what happened
-- in its thread is at the next position and has the next rev.
ALTER TABLE chat_message ADD COLUMN thread_root BYTEA;
ALTER TABLE chat_message ADD COLUMN thread TEXT;
ALTER TABLE chat_message ADD COLUMN mentions TEXT;
CREATE INDEX chat_message_thread ON chat_message (thread_root, seq) WHERE thread_root IS NOT NULL;
