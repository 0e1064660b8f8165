package chatsql_test

import (
	"testing"

	"chatd/internal/chat/chattest"
)

func TestRepliesOnSeveralNodesAreAllCounted(t *testing.T) {
	t.Parallel()
	ns := setupNodes(t, 2)
	chattest.RepliesOnNodes(t, ns.All...)
	ns.Order(t)
}
