BEGIN TRANSACTION;
CREATE TABLE certificates (
	identity VARCHAR(64) NOT NULL, 
	estimator VARCHAR NOT NULL, 
	quantity VARCHAR NOT NULL, 
	known_answer VARCHAR NOT NULL, 
	code_version VARCHAR NOT NULL, 
	truth FLOAT, 
	mean FLOAT, 
	bias FLOAT, 
	spread FLOAT, 
	coverage FLOAT, 
	nominal FLOAT NOT NULL, 
	n INTEGER NOT NULL, 
	passed BOOLEAN NOT NULL, 
	created VARCHAR NOT NULL, 
	stored BIGINT NOT NULL, 
	document TEXT NOT NULL, 
	PRIMARY KEY (identity)
);
INSERT INTO "certificates" VALUES('0ff83ffcfabd902a162f066e5e42ba3edec556f60f8abacd7b1083d607114569','ruler','norm','unit vector','abc',1.0,1.01,0.01,0.1,0.95,0.95,100,1,'2026-01-01T00:00:00+00:00',1795269387728320449,'{"bias":0.01,"code_version":"abc","coverage":0.95,"created":"2026-01-01T00:00:00+00:00","estimator":"ruler","insufficient":0,"known_answer":"unit vector","mean":1.01,"n":100,"nominal":0.95,"passed":true,"quantity":"norm","read":100,"reason":"","spread":0.1,"truth":1.0}');
CREATE TABLE measurements (
	identity VARCHAR(64) NOT NULL, 
	quantity VARCHAR NOT NULL, 
	site VARCHAR, 
	estimator VARCHAR NOT NULL, 
	status VARCHAR NOT NULL, 
	subject VARCHAR NOT NULL, 
	weights_hash VARCHAR, 
	data_hash VARCHAR, 
	seed VARCHAR, 
	created VARCHAR NOT NULL, 
	stored BIGINT NOT NULL, 
	value FLOAT, 
	low FLOAT, 
	high FLOAT, 
	document TEXT NOT NULL, 
	PRIMARY KEY (identity)
);
INSERT INTO "measurements" VALUES('780e7920d43e2cf0e5acf825eed333144da284d13a40e160912f0c4058db9bbd','spectrum','0','','ok','writer 0','w','d','0','2026-11-21T13:56:27+00:00',1795269387712004052,NULL,NULL,NULL,'{"cost":{"backward_passes":0.0,"flops":0.0,"forward_passes":0.0,"peak_bytes":0,"seconds":0.0},"diagnostics":{},"estimator":"","labels":{},"provenance":{"code_commit":null,"code_dirty":null,"code_version":"","created":"","data_hash":"d","flops":0.0,"hardware":"","inherited_data":[],"inherited_seeds":[],"packages":{},"parents":[],"seed":0,"spec_hash":"s","subject":"writer 0","wall_seconds":0.0,"weights_hash":"w"},"quantity":"spectrum","reason":"","site":"0","status":"ok","suffices":{},"symbol":"s","uncertainty":{"covers":["data"],"effective_samples":null,"error":null,"high":{"array":"8de6e1a15df88c6af3ced500184550655ad9a89be99c49eb4f5ba88f655234e0"},"kind":"interval","level":0.95,"low":{"array":"8389ef41ebc28cbadf5ce2d7ac0e294bf0d0f036d1b728cae034bd494a611268"},"systematic":null,"systematic_source":""},"unit":"1","value":{"array":"936994d0d763ff6cac72fdf98a03fa070534f9eda8cc037481ab061aa80aa400"}}');
INSERT INTO "measurements" VALUES('ca7ab34746e49aa25001783be36a1351f3d791b684bef0342f31deb2b16acac1','spectrum','1','','ok','writer 0','w','d','1','2026-11-21T13:56:27+00:00',1795269387712507117,NULL,NULL,NULL,'{"cost":{"backward_passes":0.0,"flops":0.0,"forward_passes":0.0,"peak_bytes":0,"seconds":0.0},"diagnostics":{},"estimator":"","labels":{},"provenance":{"code_commit":null,"code_dirty":null,"code_version":"","created":"","data_hash":"d","flops":0.0,"hardware":"","inherited_data":[],"inherited_seeds":[],"packages":{},"parents":[],"seed":1,"spec_hash":"s","subject":"writer 0","wall_seconds":0.0,"weights_hash":"w"},"quantity":"spectrum","reason":"","site":"1","status":"ok","suffices":{},"symbol":"s","uncertainty":{"covers":["data"],"effective_samples":null,"error":null,"high":[1.1029676800143613,0.019472828969738676,0.18252167507768247,-0.027881871299032968],"kind":"interval","level":0.95,"low":[-0.8970323199856387,-1.9805271710302614,-1.8174783249223174,-2.0278818712990327],"systematic":null,"systematic_source":""},"unit":"1","value":[0.10296768001436127,-0.9805271710302613,-0.8174783249223175,-1.027881871299033]}');
CREATE TABLE points (
	"key" VARCHAR(64) NOT NULL, 
	experiment VARCHAR NOT NULL, 
	status VARCHAR NOT NULL, 
	created VARCHAR NOT NULL, 
	stored BIGINT NOT NULL, 
	document TEXT NOT NULL, 
	PRIMARY KEY ("key")
);
INSERT INTO "points" VALUES('k','trial','done','',1795279622950227127,'{"code_version":"","created":"","experiment":"trial","key":"k","outcome":{"loss":0.5},"reason":"","seconds":0.0,"spec":{},"status":"done","together":1,"worker":""}');
CREATE TABLE run_measurements (
	run VARCHAR NOT NULL, 
	identity VARCHAR(64) NOT NULL, 
	PRIMARY KEY (run, identity), 
	FOREIGN KEY(run) REFERENCES runs (id), 
	FOREIGN KEY(identity) REFERENCES measurements (identity)
);
INSERT INTO "run_measurements" VALUES('20261121T135627.648163-09b6e6fc','780e7920d43e2cf0e5acf825eed333144da284d13a40e160912f0c4058db9bbd');
INSERT INTO "run_measurements" VALUES('20261121T135627.648163-09b6e6fc','ca7ab34746e49aa25001783be36a1351f3d791b684bef0342f31deb2b16acac1');
CREATE TABLE run_points (
	run VARCHAR NOT NULL, 
	"key" VARCHAR(64) NOT NULL, 
	PRIMARY KEY (run, "key"), 
	FOREIGN KEY(run) REFERENCES runs (id), 
	FOREIGN KEY("key") REFERENCES points ("key")
);
INSERT INTO "run_points" VALUES('20261121T135627.648163-09b6e6fc','k');
CREATE TABLE runs (
	id VARCHAR NOT NULL, 
	kind VARCHAR NOT NULL, 
	subject VARCHAR NOT NULL, 
	command VARCHAR NOT NULL, 
	spec TEXT NOT NULL, 
	created VARCHAR NOT NULL, 
	finished BOOLEAN NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "runs" VALUES('20261121T135627.648163-09b6e6fc','measure','net','gnomon measure net','{"seed":0}','2026-11-21T13:56:27+00:00',1);
CREATE TABLE schema_version (
	version INTEGER NOT NULL
);
INSERT INTO "schema_version" VALUES(2);
CREATE INDEX measurements_subject ON measurements (subject);
CREATE INDEX measurements_data_hash ON measurements (data_hash);
CREATE INDEX measurements_created ON measurements (created);
CREATE INDEX measurements_estimator ON measurements (estimator);
CREATE INDEX measurements_weights_hash ON measurements (weights_hash);
CREATE INDEX measurements_seed ON measurements (seed);
CREATE INDEX measurements_site ON measurements (site);
CREATE INDEX measurements_quantity ON measurements (quantity);
CREATE INDEX measurements_status ON measurements (status);
CREATE INDEX ix_certificates_estimator ON certificates (estimator);
CREATE INDEX ix_certificates_code_version ON certificates (code_version);
CREATE INDEX ix_certificates_quantity ON certificates (quantity);
CREATE INDEX ix_runs_kind ON runs (kind);
CREATE INDEX ix_runs_subject ON runs (subject);
CREATE INDEX ix_run_measurements_identity ON run_measurements (identity);
CREATE INDEX ix_points_experiment ON points (experiment);
CREATE INDEX ix_run_points_key ON run_points ("key");
COMMIT;
