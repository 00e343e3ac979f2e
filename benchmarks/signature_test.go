package benchmarks

import (
	"crypto/ed25519"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/signature"
)

// unsigned returns the lines of different events in a format, without
// signatures.
func unsigned(b *testing.B, f auditlog.Format) [][]byte {
	b.Helper()
	all := events(eventCount)
	lines := make([][]byte, len(all))
	for i := range all {
		all[i].Attributes = slices.DeleteFunc(all[i].Attributes, func(a auditlog.Attribute) bool { return a.Key == auditlog.SignatureKey })
		line, err := f.Append(nil, &all[i])
		if err != nil {
			b.Fatal(err)
		}
		lines[i] = line
	}
	return lines
}

// signing has a key, bare and in a Signer.
func signing(b *testing.B) (ed25519.PrivateKey, *signature.Signer) {
	b.Helper()
	private := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	signer, err := signature.NewSigner(private)
	if err != nil {
		b.Fatal(err)
	}
	return private, signer
}

// alone runs op in one goroutine, beside in as many as there are processors.
func alone(b *testing.B, op func(i int)) {
	b.Helper()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		op(i % eventCount)
	}
}

func beside(b *testing.B, op func(i int)) {
	b.Helper()
	var next atomic.Int64
	b.RunParallel(func(pb *testing.PB) {
		for i := int(next.Add(eventCount / 2)); pb.Next(); i++ {
			op(i % eventCount)
		}
	})
}

// BenchmarkVerify compares verifying lines with ed25519.Verify, which is given
// what is signed of them and the signature, decoded. Lines of CPS sign the same
// bytes as those of JSON.
func BenchmarkVerifyCEF(b *testing.B)          { benchmarkVerify(b, alone, auditlog.CEF) }
func BenchmarkVerifyJSON(b *testing.B)         { benchmarkVerify(b, alone, auditlog.JSON, auditlog.CPS) }
func BenchmarkVerifyCEFParallel(b *testing.B)  { benchmarkVerify(b, beside, auditlog.CEF) }
func BenchmarkVerifyJSONParallel(b *testing.B) { benchmarkVerify(b, beside, auditlog.JSON) }

func benchmarkVerify(b *testing.B, run func(*testing.B, func(int)), formats ...auditlog.Format) {
	b.Helper()
	private, signer := signing(b)
	public := private.Public().(ed25519.PublicKey)
	keys, err := signature.NewKeySet(public)
	if err != nil {
		b.Fatal(err)
	}
	payloads := unsigned(b, formats[0])
	made := make([][]byte, len(payloads))
	for i, payload := range payloads {
		made[i] = ed25519.Sign(private, payload)
	}
	b.Run("ed25519", func(b *testing.B) {
		run(b, func(i int) {
			if !ed25519.Verify(public, payloads[i], made[i]) {
				b.Error("not valid")
			}
		})
	})
	for _, f := range formats {
		lines := unsigned(b, f)
		for i := range lines {
			if lines[i], err = signer.Append(nil, lines[i]); err != nil {
				b.Fatal(err)
			}
		}
		b.Run(string(f), func(b *testing.B) {
			run(b, func(i int) {
				if keys.Verify(lines[i]).Outcome != signature.Valid {
					b.Error("not valid")
				}
			})
		})
	}
}

// BenchmarkSign compares signing lines with ed25519.Sign, whose signature is put
// nowhere.
func BenchmarkSignCEF(b *testing.B)          { benchmarkSign(b, alone, auditlog.CEF) }
func BenchmarkSignJSON(b *testing.B)         { benchmarkSign(b, alone, auditlog.JSON, auditlog.CPS) }
func BenchmarkSignCEFParallel(b *testing.B)  { benchmarkSign(b, beside, auditlog.CEF) }
func BenchmarkSignJSONParallel(b *testing.B) { benchmarkSign(b, beside, auditlog.JSON) }

func benchmarkSign(b *testing.B, run func(*testing.B, func(int)), formats ...auditlog.Format) {
	b.Helper()
	private, signer := signing(b)
	payloads := unsigned(b, formats[0])
	b.Run("ed25519", func(b *testing.B) {
		run(b, func(i int) { ed25519.Sign(private, payloads[i]) })
	})
	for _, f := range formats {
		lines := unsigned(b, f)
		b.Run(string(f), func(b *testing.B) {
			run(b, func(i int) {
				var room [2048]byte
				if _, err := signer.Append(room[:0], lines[i]); err != nil {
					b.Error(err)
				}
			})
		})
	}
}
