package receiver_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/receiver"
	"github.com/seed-6bcf82c5/auditlog/signature"
)

// batchOf returns a batch of lines as HandOver gets it.
func batchOf(lines ...string) receiver.Batch {
	b := receiver.Batch{Sender: "one", Received: time.Date(2025, 6, 18, 21, 2, 37, 104e6, time.UTC)}
	for n, l := range lines {
		b.Lines = append(b.Lines, receiver.Line{Number: n + 1, Raw: []byte(l), Payload: []byte(l)})
	}
	return b
}

// logFile is a File in a directory of its own.
type logFile struct {
	*receiver.File
	path string
	log  *bytes.Buffer
}

func openFile(t testing.TB, path string, cfg receiver.FileConfig) logFile {
	log := new(bytes.Buffer)
	cfg.Path = path
	cfg.Logger = slog.New(slog.NewTextHandler(log, nil))
	if cfg.Append == nil {
		cfg.Append = receiver.AppendRaw
	}
	f, err := receiver.OpenFile(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	return logFile{f, path, log}
}

func newFile(t testing.TB, cfg receiver.FileConfig) logFile {
	return openFile(t, filepath.Join(t.TempDir(), "deep", "audit.jsonl"), cfg)
}

func (f logFile) take(t testing.TB, lines ...string) {
	require.NoError(t, f.HandOver(t.Context(), batchOf(lines...)))
}

// files returns the lines of each file in the directory, by name.
func (f logFile) files(t testing.TB) map[string][]string {
	entries, err := os.ReadDir(filepath.Dir(f.path))
	require.NoError(t, err)
	all := map[string][]string{}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(filepath.Dir(f.path), e.Name()))
		require.NoError(t, err)
		if strings.HasSuffix(e.Name(), ".gz") {
			unzipped, err := gzip.NewReader(bytes.NewReader(data))
			require.NoError(t, err)
			data, err = io.ReadAll(unzipped)
			require.NoError(t, err)
		}
		all[e.Name()] = strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	}
	return all
}

func TestAppendJSON(t *testing.T) {
	t.Parallel()
	batch := batchOf()
	batch.ID, batch.Sender = `a"b`, "kon\nnect"
	for _, test := range []struct {
		name string
		line receiver.Line
		want string
	}{
		{"plain", receiver.Line{Number: 3, Raw: []byte(cefOther)},
			`{"received":"2025-06-18T21:02:37.104Z","sender":"kon\u000anect","id":"a\"b","number":3,"line":"CEF:0|Example|Billing|2.1|invoice|Invoice deleted|4|suser=alice"}`},
		{"verified", receiver.Line{Number: 3, Raw: []byte("x"), Outcome: signature.Valid, KeyID: "k1"},
			`{"received":"2025-06-18T21:02:37.104Z","sender":"kon\u000anect","id":"a\"b","number":3,"verified":"valid","key":"k1","line":"x"}`},
		{"what harms a terminal or its reader", receiver.Line{Number: 3, Raw: []byte("\x00\x1b[2J\r\x7f\u0085\u2028\u202e\u200b\\\U0001f600\U000e0041ä")},
			`{"received":"2025-06-18T21:02:37.104Z","sender":"kon\u000anect","id":"a\"b","number":3,"line":"\u0000\u001b[2J\u000d\u007f\u0085\u2028\u202e\u200b\\😀\udb40\udc41ä"}`},
		{"not UTF-8", receiver.Line{Number: 3, Raw: []byte("a\xff")},
			`{"received":"2025-06-18T21:02:37.104Z","sender":"kon\u000anect","id":"a\"b","number":3,"line_base64":"Yf8="}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := string(receiver.AppendJSON(nil, &batch, &test.line))
			require.Equal(t, test.want, got)
			require.Negative(t, strings.IndexFunc(got, func(r rune) bool { return !unicode.IsPrint(r) }))
			var read struct {
				Sender, ID, Line string
				Raw              []byte `json:"line_base64"`
			}
			require.NoError(t, json.Unmarshal([]byte(got), &read))
			require.Equal(t, string(test.line.Raw), read.Line+string(read.Raw), "the line comes back")
			require.Equal(t, batch.Sender, read.Sender)
			require.Equal(t, batch.ID, read.ID)
		})
	}
}

// By default a file has JSON, and each batch is there when it was taken.
func TestFile(t *testing.T) {
	t.Parallel()
	f := newFile(t, receiver.FileConfig{Append: receiver.AppendJSON})
	h, _, _ := setup(t, receiver.Config{HandOver: f.HandOver})
	require.Equal(t, 200, post(h, threeForm+"\nrubbish").StatusCode)
	lines := f.files(t)["audit.jsonl"]
	require.Len(t, lines, 3)
	for n, want := range strings.Split(threeForm, "\n") {
		var got struct {
			Number int
			Line   string
		}
		require.NoError(t, json.Unmarshal([]byte(lines[n]), &got))
		require.Equal(t, n+1, got.Number)
		require.Equal(t, want, got.Line)
	}
	require.NoError(t, f.HandOver(t.Context(), batchOf()), "a batch of rejected lines")
	require.NoError(t, f.Close())
	require.NoError(t, f.Close())
	require.Equal(t, 503, post(h, cefLine).StatusCode)
	require.ErrorIs(t, f.HandOver(t.Context(), batchOf(cefLine)), os.ErrClosed)

	info, err := os.Stat(f.path)
	require.NoError(t, err)
	if runtime.GOOS != "windows" {
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	}
}

func TestFileGoesOn(t *testing.T) {
	t.Parallel()
	f := newFile(t, receiver.FileConfig{})
	f.take(t, "one", "two")
	require.NoError(t, f.Close())
	f = openFile(t, f.path, receiver.FileConfig{})
	f.take(t, "three")
	require.Equal(t, map[string][]string{"audit.jsonl": {"one", "two", "three"}}, f.files(t))
}

func TestFileBySize(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFile(t, receiver.FileConfig{MaxBytes: 10})
		f.take(t, "1234", "5678") // 10 bytes
		f.take(t, "9")
		f.take(t, "longer than any file may be")
		f.take(t, "x")
		require.NoError(t, f.Close())
		require.Empty(t, cmp.Diff(map[string][]string{
			"audit-20000101T000000.000Z.jsonl": {"1234", "5678"},
			"audit-20000101T000000.001Z.jsonl": {"9"},
			"audit-20000101T000000.002Z.jsonl": {"longer than any file may be"},
			"audit.jsonl":                      {"x"},
		}, f.files(t)))
	})
}

func TestFileByTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFile(t, receiver.FileConfig{Period: 24 * time.Hour})
		pass(23 * time.Hour)
		f.take(t, "first day")
		pass(59 * time.Minute)
		f.take(t, "still")
		pass(time.Minute)
		f.take(t, "second day")
		pass(72 * time.Hour)
		f.take(t, "fifth day")
		require.NoError(t, f.Close())
		require.Empty(t, cmp.Diff(map[string][]string{
			"audit-20000102T000000.000Z.jsonl": {"first day", "still"},
			"audit-20000105T000000.000Z.jsonl": {"second day"},
			"audit.jsonl":                      {"fifth day"},
		}, f.files(t)))
	})
}

// A file that was written to in an earlier period, before a restart.
func TestFileByTimeAfterRestart(t *testing.T) {
	t.Parallel()
	f := newFile(t, receiver.FileConfig{Period: time.Hour})
	f.take(t, "before")
	require.NoError(t, f.Close())
	past := time.Now().Add(-2 * time.Hour)
	require.NoError(t, os.Chtimes(f.path, past, past))
	f = openFile(t, f.path, receiver.FileConfig{Period: time.Hour})
	f.take(t, "after")
	require.Len(t, f.files(t), 2)
	require.Equal(t, []string{"after"}, f.files(t)["audit.jsonl"])
}

func TestFileCompressesAndKeeps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFile(t, receiver.FileConfig{MaxBytes: 1, Compress: true, Keep: 3})
		for n := range 6 {
			f.take(t, fmt.Sprint("line ", n))
			synctest.Wait()
		}
		require.NoError(t, f.Close())
		require.Empty(t, cmp.Diff(map[string][]string{
			"audit-20000101T000000.002Z.jsonl.gz": {"line 2"},
			"audit-20000101T000000.003Z.jsonl.gz": {"line 3"},
			"audit-20000101T000000.004Z.jsonl.gz": {"line 4"},
			"audit.jsonl":                         {"line 5"},
		}, f.files(t)))
		require.Empty(t, f.log.String())
	})
}

// Complete files are found however the path is written.
func TestFileWithPathThatIsNotClean(t *testing.T) {
	t.Parallel()
	here, err := os.Getwd()
	require.NoError(t, err)
	for _, test := range []struct {
		name string
		path func(dir string) string
	}{
		{"begins with a dot", func(dir string) string {
			path, err := filepath.Rel(here, filepath.Join(dir, "audit.jsonl"))
			if err != nil { // on another volume
				return filepath.Join(dir, "audit.jsonl")
			}
			return "./" + path
		}},
		{"a dot inside", func(dir string) string { return dir + "/./audit.jsonl" }},
		{"two separators", func(dir string) string { return dir + "//audit.jsonl" }},
		{"up again", func(dir string) string { return dir + "/../" + filepath.Base(dir) + "/audit.jsonl" }},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			path := test.path(t.TempDir())
			synctest.Test(t, func(t *testing.T) {
				f := openFile(t, path, receiver.FileConfig{MaxBytes: 1, Compress: true, Keep: 1})
				for n := range 4 {
					f.take(t, fmt.Sprint("line ", n))
					synctest.Wait()
				}
				require.NoError(t, f.Close())
				require.Empty(t, cmp.Diff(map[string][]string{
					"audit-20000101T000000.002Z.jsonl.gz": {"line 2"},
					"audit.jsonl":                         {"line 3"},
				}, f.files(t)))
				require.Empty(t, f.log.String())
			})
		})
	}
}

// A path that leads through a link and up again is that of the system.
func TestFileBehindLink(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "data", "2025"), 0o700))
	if err := os.Symlink(filepath.Join(dir, "data", "2025"), filepath.Join(dir, "current")); err != nil {
		t.Skip("there are no links here:", err)
	}
	synctest.Test(t, func(t *testing.T) {
		f := openFile(t, dir+"/current/../audit.jsonl", receiver.FileConfig{MaxBytes: 1, Compress: true, Keep: 1})
		for n := range 4 {
			f.take(t, fmt.Sprint("line ", n))
			synctest.Wait()
		}
		require.NoError(t, f.Close())
		require.Empty(t, f.log.String())
		f.path = filepath.Join(dir, "data", "audit.jsonl")
		require.NoError(t, os.Remove(filepath.Join(dir, "data", "2025")))
		require.Empty(t, cmp.Diff(map[string][]string{
			"audit-20000101T000000.002Z.jsonl.gz": {"line 2"},
			"audit.jsonl":                         {"line 3"},
		}, f.files(t)))
	})
}

// What a crash has left behind is put in order when the file is opened, and what
// is not the file's is left alone.
func TestFileTidiesUp(t *testing.T) {
	t.Parallel()
	f := newFile(t, receiver.FileConfig{})
	require.NoError(t, f.Close())
	put := func(name, content string) {
		require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(f.path), name), []byte(content), 0o600))
	}
	put("audit-20250101T000000.000Z.jsonl", "complete")
	put("audit-20250102T000000.000Z.jsonl", "whole")
	put("audit-20250102T000000.000Z.jsonl.gz", zip(t, "whole"))
	put("audit-20250103T000000.000Z.jsonl", "interrupted")
	put("audit-20250103T000000.000Z.jsonl.gz.tmp", "half")
	put("audit-2025.jsonl", "another's")
	put("audit-20250103T000000.000Z.txt", "another's")
	put("other-20250103T000000.000Z.jsonl", "another's")
	f = openFile(t, f.path, receiver.FileConfig{Compress: true})
	require.NoError(t, f.Close())
	require.Empty(t, cmp.Diff(map[string][]string{
		"audit-20250101T000000.000Z.jsonl.gz": {"complete"},
		"audit-20250102T000000.000Z.jsonl.gz": {"whole"},
		"audit-20250103T000000.000Z.jsonl.gz": {"interrupted"},
		"audit-2025.jsonl":                    {"another's"},
		"audit-20250103T000000.000Z.txt":      {"another's"},
		"other-20250103T000000.000Z.jsonl":    {"another's"},
		"audit.jsonl":                         {""},
	}, f.files(t)))
	require.Empty(t, f.log.String())
}

// Half a line that a crash has left was told nobody to be taken.
func TestFileCutsOffHalfALine(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 200<<10)
	for _, test := range []struct {
		name, left, kept string
	}{
		{"nothing", "", ""},
		{"whole lines", "one\ntwo\n", "one\ntwo\n"},
		{"half a line", "one\ntw", "one\n"},
		{"half a long line", "one\n" + long, "one\n"},
		{"half a line and nothing else", "on", ""},
		{"half a long line and nothing else", long, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "audit")
			require.NoError(t, os.WriteFile(path, []byte(test.left), 0o600))
			f := openFile(t, path, receiver.FileConfig{})
			f.take(t, "next")
			data, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, test.kept+"next\n", string(data))
			require.Equal(t, test.left != test.kept, strings.Contains(f.log.String(), "half a line cut off"))
		})
	}
}

func TestFileConcurrently(t *testing.T) {
	t.Parallel()
	f := newFile(t, receiver.FileConfig{MaxBytes: 100})
	const batches = 100
	var all sync.WaitGroup
	for n := range batches {
		all.Go(func() { f.take(t, fmt.Sprint(n, " first"), fmt.Sprint(n, " second")) })
	}
	all.Wait()
	require.NoError(t, f.Close())
	files := f.files(t)
	require.Greater(t, len(files), 1)
	var got []string
	for _, lines := range files {
		for i := 0; i < len(lines); i += 2 {
			require.Equal(t, strings.TrimSuffix(lines[i], "first"), strings.TrimSuffix(lines[i+1], "second"), "a batch stays together")
			got = append(got, lines[i])
		}
	}
	slices.Sort(got)
	require.Len(t, slices.Compact(got), batches)
}

func TestOpenFileRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	for _, test := range []struct {
		name string
		cfg  receiver.FileConfig
		want string
	}{
		{"no path", receiver.FileConfig{}, "receiver: FileConfig.Path: is empty"},
		{"a directory by a separator", receiver.FileConfig{Path: filepath.Dir(path) + "/"}, "receiver: FileConfig.Path: is a directory"},
		{"a directory by a dot", receiver.FileConfig{Path: filepath.Dir(path) + "/."}, "receiver: FileConfig.Path: is a directory"},
		{"a negative size", receiver.FileConfig{Path: path, MaxBytes: -1}, "receiver: FileConfig: MaxBytes, Period and Keep must not be negative"},
		{"a negative period", receiver.FileConfig{Path: path, Period: -1}, "receiver: FileConfig: MaxBytes, Period and Keep must not be negative"},
		{"a negative number", receiver.FileConfig{Path: path, Keep: -1}, "receiver: FileConfig: MaxBytes, Period and Keep must not be negative"},
		{"a directory", receiver.FileConfig{Path: dir}, "receiver: "},
		{"below a file", receiver.FileConfig{Path: filepath.Join(path, "x")}, "receiver: "},
		{"a device", receiver.FileConfig{Path: os.DevNull}, "is not a regular file"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := receiver.OpenFile(test.cfg)
			require.ErrorContains(t, err, test.want)
		})
	}
}
