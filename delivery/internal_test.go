package delivery

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The scheme is checked again for each request, whatever New has done.
func TestNothingIsSentInTheClear(t *testing.T) {
	t.Parallel()

	for _, endpoint := range []string{"http://siem.example/", "https:///path", "https://user@siem.example/"} {
		d, err := New(Config{Endpoint: "https://siem.example/"})
		require.NoError(t, err)
		d.sender().endpoint, err = url.Parse(endpoint)
		require.NoError(t, err)
		d.sender().transport.DialContext = nil // would panic or fail otherwise

		result, err := d.Deliver(t.Context(), Batch{Body: []byte("x")})
		require.ErrorContains(t, err, "the endpoint ")
		require.Len(t, result.Attempts, 1)
		require.Equal(t, ReasonConnection, err.(*Error).Reason)
	}
}

// net/http may ask for the body again, of the same request, but once only.
func TestRequestBodyCanBeReadAgainOnce(t *testing.T) {
	t.Parallel()

	d, err := New(Config{Endpoint: "https://siem.example/", Encoding: EncodingNone})
	require.NoError(t, err)
	r := &run{sender: d.sender(), payload: newPayload([]byte("body"), EncodingNone), result: Result{Sent: 4}}
	req := r.request(t.Context(), time.Now(), "")
	again, err := req.GetBody()
	require.NoError(t, err)
	_, err = req.GetBody()
	require.ErrorIs(t, err, errSentAgain)
	for _, body := range []io.ReadCloser{req.Body, again} {
		read, err := io.ReadAll(body)
		require.NoError(t, err)
		require.Equal(t, "body", string(read))
		require.NoError(t, body.Close())
	}
	require.EqualValues(t, 4, req.ContentLength)
	r.payload.release()
	require.Zero(t, r.payload.users.Load())
}

// A buffer goes back to the pool after the delivery and all of its readers, and
// nobody reads it after that.
func TestPayloadReaders(t *testing.T) {
	t.Parallel()

	p := newPayload([]byte("body"), EncodingNone)
	early, late := p.reader(), p.reader()
	require.EqualValues(t, 3, p.users.Load())

	read, err := io.ReadAll(early)
	require.NoError(t, err)
	require.Equal(t, "body", string(read))
	require.NoError(t, early.Close())
	require.NoError(t, early.Close(), "twice is once")
	require.EqualValues(t, 2, p.users.Load())
	p.release()
	require.EqualValues(t, 1, p.users.Load(), "a reader is still open")

	var b [2]byte
	_, err = io.ReadFull(late, b[:])
	require.NoError(t, err)
	require.Equal(t, "bo", string(b[:]))
	require.NoError(t, late.Close())
	require.Zero(t, p.users.Load())
	_, err = late.Read(b[:])
	require.ErrorIs(t, err, http.ErrBodyReadAfterClose)
}

// Compression is the same for the same bytes, whichever pooled writer does it.
func TestPayloadIsDeterministic(t *testing.T) {
	t.Parallel()

	body := []byte(strings.Repeat("an event line\n", 1000))
	want := newPayload(body, EncodingGzip).buffer.String()
	for range 10 {
		newPayload([]byte(strings.Repeat("something else", 500)), EncodingGzip).release()
		p := newPayload(body, EncodingGzip)
		require.Equal(t, want, p.buffer.String())
		p.release()
	}
}
