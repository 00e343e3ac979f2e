package natsstore

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
)

// authority is a certificate authority for one test.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pool        *x509.CertPool
}

func newAuthority(tb testing.TB) *authority {
	tb.Helper()
	a := &authority{pool: x509.NewCertPool()}
	a.certificate, a.key = a.sign(tb, &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "natsstore authority"},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	a.pool.AddCert(a.certificate)
	return a
}

// sign makes a key and a certificate for it, by the authority unless it is its own.
func (a *authority) sign(tb testing.TB, template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(tb, err)
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := a.certificate, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	require.NoError(tb, err)
	certificate, err := x509.ParseCertificate(der)
	require.NoError(tb, err)
	return certificate, key
}

// issue makes a certificate for the loopback address, as server or as client.
func (a *authority) issue(tb testing.TB, usage x509.ExtKeyUsage) tls.Certificate {
	tb.Helper()
	certificate, key := a.sign(tb, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "natsstore"},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{usage},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	})
	return tls.Certificate{Certificate: [][]byte{certificate.Raw}, PrivateKey: key}
}

// secure makes a server want TLS.
func (a *authority) secure(tb testing.TB, o *server.Options) {
	tb.Helper()
	o.TLS = true
	o.TLSConfig = &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{a.issue(tb, x509.ExtKeyUsageServerAuth)},
	}
}

func TestOpenTLS(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	servers := serve(t, func(o *server.Options) { a.secure(t, o) })
	cfg := config(t, servers, 1)
	trust := nats.Secure(&tls.Config{MinVersion: tls.VersionTLS12, RootCAs: a.pool})

	_, err := open(t.Context(), cfg)
	var unknown x509.UnknownAuthorityError
	require.ErrorAs(t, err, &unknown)
	require.ErrorContains(t, err, "natsstore: connecting: ")

	cfg.Options = []nats.Option{trust}
	opened(t, cfg)
	cfg.URL = strings.Replace(cfg.URL, "nats:", "tls:", 1)
	s := opened(t, cfg)
	require.True(t, s.conn.TLSRequired())
	passes(t, s, "one")
}

// Whoever wants TLS does not talk to a server without.
func TestOpenTLSWanted(t *testing.T) {
	t.Parallel()
	cfg := config(t, single(t), 1)
	cfg.URL = strings.Replace(cfg.URL, "nats:", "tls:", 1)
	_, err := open(t.Context(), cfg)
	require.ErrorIs(t, err, nats.ErrSecureConnWanted)
}

func TestOpenMutualTLS(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	servers := serve(t, func(o *server.Options) {
		a.secure(t, o)
		o.TLSVerify = true
		o.TLSConfig.ClientAuth, o.TLSConfig.ClientCAs = tls.RequireAndVerifyClientCert, a.pool
	})
	cfg := config(t, servers, 1)
	mutual := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: a.pool}

	cfg.Options = []nats.Option{nats.Secure(mutual)}
	_, err := open(t.Context(), cfg)
	require.ErrorContains(t, err, "natsstore: connecting: ")

	mutual = mutual.Clone()
	mutual.Certificates = []tls.Certificate{newAuthority(t).issue(t, x509.ExtKeyUsageClientAuth)}
	cfg.Options = []nats.Option{nats.Secure(mutual)}
	_, err = open(t.Context(), cfg)
	require.ErrorContains(t, err, "natsstore: connecting: ")

	mutual = mutual.Clone()
	mutual.Certificates = []tls.Certificate{a.issue(t, x509.ExtKeyUsageClientAuth)}
	cfg.Options = []nats.Option{nats.Secure(mutual)}
	passes(t, opened(t, cfg), "one")
}
