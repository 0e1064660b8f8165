package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"chatd/internal/platform/datadir"
)

// mustHaveItsSums compares the files of a backup with what its note says.
func mustHaveItsSums(t testing.TB, dir string) (files int) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, datadir.MarkerFile))
	if err != nil {
		t.Fatal(err)
	}
	var note struct {
		Backup struct {
			Files map[string]struct {
				Size   int
				SHA256 string
			}
		}
	}
	if err := json.Unmarshal(text, &note); err != nil {
		t.Fatal(err)
	}
	for name, want := range note.Backup.Files {
		content, err := os.ReadFile(filepath.Join(dir, name))
		sum := sha256.Sum256(content)
		if err != nil || len(content) != want.Size || hex.EncodeToString(sum[:]) != want.SHA256 {
			t.Errorf("%s has %d bytes, %x, want %+v; %v", name, len(content), sum, want, err)
		}
		if strings.HasPrefix(name, datadir.FilesDir+"/") {
			files++
		}
	}
	if n := len(onDiskOf(t, filepath.Join(dir, datadir.FilesDir))); n != files {
		t.Errorf("the backup has %d files, and sums of %d", n, files)
	}
	return files
}

// shelved is a message with a file that its sender has sent.
type shelved struct {
	message, file string
	content       []byte
	deleted       bool // asked for
}

// A backup that is taken while files come and go has every file that was sent
// before it, as it was, and restored they are downloaded by who may.
func TestABackupUnderLoadHasTheFilesOfItsMessages(t *testing.T) {
	t.Parallel()
	p := startProgram(t, unlimited...)
	ada := p.people(t, "ada", 1)[0]
	room := p.group(t, ada)
	picture := pngOf(t, 900, 300)
	put := func(n int) *shelved {
		t.Helper()
		content := bytes.Repeat([]byte(fmt.Sprint("file ", n, "\n")), 1+n*37%4000)
		if n%10 == 0 {
			content = picture
		}
		s := &shelved{file: p.upload(t, ada, fmt.Sprint(n), content), content: content}
		m, err := p.sendFiles(t, ada, room, "", "", s.file)
		if err != nil {
			t.Errorf("send %d: %v", n, err)
		}
		s.message = m.ID
		return s
	}
	var before []*shelved
	for n := range 60 {
		before = append(before, put(n))
	}
	p.upload(t, ada, "unsent", []byte("unsent"))
	var mu sync.Mutex
	end := make(chan struct{})
	var load sync.WaitGroup
	for worker := range 2 {
		load.Go(func() {
			for n := 100 + worker; ; n += 2 {
				select {
				case <-end:
					return
				default:
				}
				late := put(n)
				mu.Lock()
				gone := before[n*7%30] // the others stay
				again := gone.deleted
				gone.deleted = true
				mu.Unlock()
				for _, s := range []*shelved{gone, late} {
					if s == gone && again || s == late && n%3 == 0 {
						continue
					}
					if err := p.gql(t.Context(), ada.token, `mutation($id: ID!) { deleteMessage(input: {id: $id}) { message { id } } }`, vars("id", s.message), nil); err != nil {
						t.Errorf("delete: %v", err)
					}
				}
			}
		})
	}
	var taken []string
	var known [][]*shelved // sent before the backup, and not deleted before it
	for n := range 3 {
		mu.Lock()
		known = append(known, slices.DeleteFunc(slices.Clone(before), func(s *shelved) bool { return s.deleted }))
		mu.Unlock()
		taken = append(taken, filepath.Join(t.TempDir(), fmt.Sprint("backup", n)))
		t.Log(does(t, "backup", "--data-dir", p.dir, "--to", taken[n]))
	}
	close(end)
	load.Wait()
	for n, dir := range taken {
		if files := mustHaveItsSums(t, dir); files < 30 {
			t.Errorf("backup %d has %d files", n, files)
		}
		q := restored(t, dir)
		who := q.login(t, ada)
		there := 0
		for _, s := range known[n] {
			switch r := q.files(t, who.token, http.MethodGet, "/files/"+s.file, nil); {
			case r.status == 200 && bytes.Equal(r.body, s.content):
				there++
			case r.status != 404 || !s.deleted: // deleted since
				t.Errorf("backup %d: %s: %d, %d bytes of %d", n, s.file, r.status, len(r.body), len(s.content))
			}
		}
		if there < 30 {
			t.Errorf("backup %d: %d files", n, there)
		}
		if r := q.files(t, who.token, http.MethodGet, "/files/"+before[30].file+"/thumbnail", nil); r.status != 200 || len(r.body) == 0 {
			t.Errorf("backup %d: the thumbnail: %d", n, r.status)
		}
		if err := q.stop(t); err != nil {
			t.Errorf("stop: %v", err)
		}
	}
}

// Files in a directory of their own are in the backup where it is named, told
// of where it is not, and restored to where it is said.
func TestABackupHasTheFilesOfADirectoryOfTheirOwn(t *testing.T) {
	t.Parallel()
	files := filepath.Join(t.TempDir(), "files")
	p := startProgram(t, append(slices.Clone(unlimited), "--files-dir", files)...)
	ada := p.people(t, "ada", 1)[0]
	id := p.upload(t, ada, "a", []byte("content"))
	if _, err := p.sendFiles(t, ada, p.group(t, ada), "", "", id); err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "backup")
	says(t, doesNot(t, "backup", "--data-dir", p.dir, "--to", to), "none of the 1 files", "--files-dir")
	says(t, does(t, "backup", "--data-dir", p.dir, "--files-dir", files, "--to", to), "1 files", "checked")
	data, own := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "own")
	says(t, doesNot(t, "restore", "--from", to, "--data-dir", data, "--files-dir", files), "not empty", "--files-dir")
	says(t, does(t, "restore", "--from", to, "--data-dir", data, "--files-dir", own), "1 files", "checked")
	q := startProgramIn(t, data, append(slices.Clone(unlimited), "--files-dir", own)...)
	if r := q.files(t, q.login(t, ada).token, http.MethodGet, "/files/"+id, nil); r.status != 200 || string(r.body) != "content" {
		t.Errorf("%d %q", r.status, r.body)
	}
}
