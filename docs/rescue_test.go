package docs_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/cef"
	"github.com/seed-6bcf82c5/auditlog/konnecttest"
	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/store/diskstore"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

const (
	tenant        = "tenant-1"
	endpoint      = "https://siem.example.com/t0k-path"
	authorization = "Bearer t0k"
)

// With store-format.md alone everything can be read again, sealed or not.
func TestRescue(t *testing.T) {
	t.Parallel()
	for _, sealed := range []bool{false, true} {
		t.Run("sealed "+strconv.FormatBool(sealed), func(t *testing.T) {
			t.Parallel()
			dir, key := t.TempDir(), bytes.Repeat([]byte("k"), shipper.KeyBytes)
			want := fill(t, dir, key, sealed)
			require.Empty(t, cmp.Diff(want, rescueEvents(t, dir, key), cmp.AllowUnexported(auditlog.Value{})))

			var config struct {
				Version       int
				Origin        string
				Endpoint      []byte `json:"sealed_endpoint"`
				Authorization []byte `json:"sealed_authorization"`
			}
			document := rescueDocument(t, dir, "documents", "webhook/"+tenant)
			require.NoError(t, json.Unmarshal(document, &config))
			require.Equal(t, 1, config.Version)
			require.Equal(t, endpoint, string(unseal(t, key, config.Endpoint, "endpoint", config.Origin)))
			require.Equal(t, authorization, string(unseal(t, key, config.Authorization, "authorization", config.Origin)))
			require.NotContains(t, string(document), "t0k")
		})
	}
}

// fill records events of all shapes and returns them.
func fill(t *testing.T, dir string, key []byte, seal bool) []auditlog.Event {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	events, err := diskstore.Open(diskstore.Config{Dir: dir, SegmentBytes: 16 << 10, Logger: quiet})
	require.NoError(t, err)
	k, err := shipper.NewKey(key)
	require.NoError(t, err)
	s, err := shipper.New(shipper.Config{Store: events, Keys: []shipper.Key{k}, SealEvents: seal, Logger: quiet})
	require.NoError(t, err)
	_, err = s.Update(t.Context(), tenant, webhook.Patch{
		Endpoint:      webhook.Set(endpoint),
		Authorization: webhook.Set(webhook.NewSecret(authorization)),
	})
	require.NoError(t, err)
	all := konnecttest.Events(1, 200, time.Date(2026, 1, 2, 3, 4, 5, 678, time.UTC))
	all[0].Severity = cef.SeverityVeryHigh
	all[0].Attributes = append(all[0].Attributes,
		auditlog.Number("digits", "18446744073709551616"), auditlog.Int("negative", -5), auditlog.Bool("no", false))
	all[1].Time, all[1].Prefix = time.Time{}, "relayed"
	for chunk := range slices.Chunk(all, 7) {
		require.NoError(t, s.Record(t.Context(), tenant, chunk...))
	}
	require.NoError(t, s.Close(t.Context()))
	require.NoError(t, events.Close())
	return all
}

// rescueEvents reads all segments.
func rescueEvents(t *testing.T, dir string, key []byte) []auditlog.Event {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.log"))
	require.NoError(t, err)
	require.Greater(t, len(names), 2)
	var all []auditlog.Event
	for _, name := range names { // by number
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		checked(t, data[:60], data[60:])
		require.Equal(t, "AUDITLOG\x01\x00\x00\x00", string(data[:12]))
		salt, err := strconv.ParseUint(filepath.Base(name)[17:33], 16, 64)
		require.NoError(t, err)
		for frame := data[64:]; len(frame) > 0; {
			require.Equal(t, "aEv1", string(frame[:4]))
			little := binary.LittleEndian
			stream, dedup := int(little.Uint16(frame[36:])), int(little.Uint16(frame[38:]))
			names, body := frame[48:48+stream+dedup], frame[48+stream+dedup:][:little.Uint32(frame[4:])]
			checked(t, body, frame[40:])
			checked(t, slices.Concat(little.AppendUint64(nil, salt), frame[:44], names), frame[44:])
			require.Equal(t, tenant, string(names[:stream]))
			lengths := make([]uint64, little.Uint32(frame[28:]))
			frame = frame[48+stream+dedup+len(body):]

			r := reader{t, body}
			for i := range lengths {
				lengths[i] = r.unsigned()
			}
			for _, length := range lengths {
				event := r.take(length)
				if event[0] == 's' {
					event = unseal(t, key, event, "event", "")
				}
				all = append(all, rescueEvent(t, event))
			}
			require.Empty(t, r.rest)
		}
	}
	return all
}

// checked asserts that the checksum at the beginning of sum is that of the data.
func checked(t *testing.T, data, sum []byte) {
	t.Helper()
	require.Equal(t, crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli)), binary.LittleEndian.Uint32(sum))
}

func rescueEvent(t *testing.T, data []byte) auditlog.Event {
	t.Helper()
	r := reader{t, data}
	require.EqualValues(t, 1, r.take(1)[0])
	flags := r.take(1)[0]
	var e auditlog.Event
	e.Severity = cef.Severity(r.take(1)[0])
	e.CEFVersion = int(r.signed())
	if flags&1 != 0 {
		e.Time = time.Unix(r.signed(), int64(r.unsigned())).UTC()
	}
	if flags&2 != 0 {
		e.Prefix = r.text()
	}
	e.Host, e.Vendor, e.Product, e.Version, e.ClassID, e.Name = r.text(), r.text(), r.text(), r.text(), r.text(), r.text()
	for range r.unsigned() {
		key := r.text()
		switch r.take(1)[0] {
		case 0:
			e.Attributes = append(e.Attributes, auditlog.String(key, r.text()))
		case 1:
			e.Attributes = append(e.Attributes, auditlog.Int(key, r.signed()))
		case 2:
			e.Attributes = append(e.Attributes, auditlog.Bool(key, r.take(1)[0] == 1))
		case 3:
			e.Attributes = append(e.Attributes, auditlog.Number(key, r.text()))
		}
	}
	require.Empty(t, r.rest)
	return e
}

func rescueDocument(t *testing.T, dir, bucket, key string) []byte {
	t.Helper()
	db, err := bbolt.Open(filepath.Join(dir, "documents.db"), 0o600, &bbolt.Options{ReadOnly: true})
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	var value []byte
	require.NoError(t, db.View(func(tx *bbolt.Tx) error {
		value = bytes.Clone(tx.Bucket([]byte(bucket)).Get([]byte(key)))
		return nil
	}))
	require.Greater(t, len(value), 8)
	return value[8:] // behind its revision
}

// unseal opens a sealed value.
func unseal(t *testing.T, key, value []byte, what, origin string) []byte {
	t.Helper()
	id := sha256.Sum256(slices.Concat([]byte("auditlog key id\x00"), key))
	require.Equal(t, append([]byte("s"), id[:8]...), value[:9])
	made, err := hkdf.Key(sha256.New, key, value[9:25], "auditlog sealed value", 32)
	require.NoError(t, err)
	block, err := aes.NewCipher(made)
	require.NoError(t, err)
	gcm, err := cipher.NewGCM(block)
	require.NoError(t, err)
	var additional []byte
	for _, text := range []string{"auditlog", tenant, what, origin} {
		additional = append(binary.AppendUvarint(additional, uint64(len(text))), text...)
	}
	opened, err := gcm.Open(nil, append(make([]byte, 4), value[25:33]...), value[33:], additional)
	require.NoError(t, err)
	return opened
}

// reader takes from what is left.
type reader struct {
	t    *testing.T
	rest []byte
}

func (r *reader) take(n uint64) []byte {
	r.t.Helper()
	require.LessOrEqual(r.t, n, uint64(len(r.rest)))
	taken := r.rest[:n]
	r.rest = r.rest[n:]
	return taken
}

func (r *reader) unsigned() uint64 {
	n, length := binary.Uvarint(r.rest)
	r.take(uint64(max(length, 0)))
	return n
}

func (r *reader) signed() int64 {
	n, length := binary.Varint(r.rest)
	r.take(uint64(max(length, 0)))
	return n
}

func (r *reader) text() string { return string(r.take(r.unsigned())) }
