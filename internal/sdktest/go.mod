module github.com/seed-6bcf82c5/auditlog/internal/sdktest

go 1.26.0

require (
	github.com/Kong/sdk-konnect-go v0.46.0
	github.com/seed-6bcf82c5/auditlog v0.0.0-00010101000000-000000000000
	github.com/stretchr/testify v1.12.1
)

require (
	github.com/itchyny/gojq v0.12.17 // indirect
	github.com/itchyny/timefmt-go v0.1.6 // indirect
	github.com/klauspost/compress v1.20.3 // indirect
	github.com/sethvargo/go-retry v0.5.0 // indirect
	github.com/spyzhov/ajson v0.8.0 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	golang.org/x/time v0.16.0 // indirect
)

replace github.com/seed-6bcf82c5/auditlog => ../..
