package chatgraph_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"chatd/internal/chat"
	"chatd/internal/platform/ids"
)

// links tell whose they are.
type links struct{}

func (links) AppendLink(dst []byte, who ids.User, path string) []byte {
	return append(append(append(dst, who.String()...), " at "...), path...)
}

func TestAMessageTellsOfItsAttachmentsWithoutAReadMore(t *testing.T) {
	t.Parallel()
	r := setup(t)
	c := r.conversation(r.viewer, 3).ID
	picture := chat.Attachment{ID: ids.New[ids.Attachment](), Name: `a "b".png`, ContentType: "image/png", Size: 9, Width: 40, Height: 30, Thumbnail: true}
	plain := chat.Attachment{ID: ids.New[ids.Attachment](), Name: "b.pdf", ContentType: "application/pdf", Size: 1 << 30}
	for i := range r.messages {
		r.messages[i].Attachments = []chat.Attachment{picture, plain}
	}
	r.reads()
	var d struct {
		Messages struct {
			Edges []struct {
				Node struct{ Attachments []json.RawMessage }
			}
		}
	}
	r.run(&d, `query($c: ID!) { messages(conversationId: $c) { edges { node { attachments { id name contentType size width height url thumbnailUrl } } } } }`,
		map[string]any{"c": c.String()})
	got := d.Messages.Edges[2].Node.Attachments
	want := []string{
		fmt.Sprintf(`{"id":%q,"name":"a \"b\".png","contentType":"image/png","size":9,"width":40,"height":30,"url":"%[2]s at /files/%[1]s","thumbnailUrl":"%[2]s at /files/%[1]s/thumbnail"}`, picture.ID.String(), r.viewer),
		fmt.Sprintf(`{"id":%q,"name":"b.pdf","contentType":"application/pdf","size":1073741824,"width":null,"height":null,"url":"%[2]s at /files/%[1]s","thumbnailUrl":null}`, plain.ID.String(), r.viewer),
	}
	if len(got) != 2 || string(got[0]) != want[0] || string(got[1]) != want[1] {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	if reads := r.reads(); len(reads) != 1 {
		t.Errorf("read %v", reads)
	}
}

func TestSendTakesUploadsByTheirIDs(t *testing.T) {
	t.Parallel()
	r := setup(t)
	c := r.conversation(r.viewer, 1).ID
	of := []ids.Attachment{ids.New[ids.Attachment](), ids.New[ids.Attachment]()}
	const doc = `mutation($i: SendMessageInput!) { sendMessage(input: $i) { message { attachments { id } } } }`
	r.run(nil, doc, map[string]any{"i": map[string]any{"conversationId": c.String(), "text": "", "attachmentIds": of}})
	if !slices.Equal(r.sent.Attachments, of) {
		t.Errorf("sent %v", r.sent.Attachments)
	}
	for _, bad := range []string{"", "x", c.String(), "../../etc/passwd", strings.ToUpper(of[0].String())} {
		got := r.try(doc, map[string]any{"i": map[string]any{"conversationId": c.String(), "text": "t", "attachmentIds": []string{of[0].String(), bad}}})
		if len(got.Errors) != 1 || got.Errors[0].Extensions["code"] != "BAD_USER_INPUT" || got.Errors[0].Extensions["field"] != "input.attachmentIds" {
			t.Errorf("%q: %+v", bad, got.Errors)
		}
	}
}
