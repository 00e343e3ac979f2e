package delivery_test

import (
	"crypto/x509"
	"net/http/httptest"
)

func rootCAs(server *httptest.Server) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	return pool
}
