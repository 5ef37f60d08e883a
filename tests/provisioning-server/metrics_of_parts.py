"""Metrics of what not every issuer has, or not at once: operations_test.py leaves them out, parts_metrics_test.py drives
every one of them."""

OF_PARTS = {
    # a token
    "authority_queue_length",
    "authority_refused_total",
    "authority_sign_seconds",
    # PostgreSQL
    "database_repeats_total",
    # a device CA
    "device_crl_next_update_seconds",
    "device_crl_refused_total",
    # the end of the process
    "draining",
    # the REST API
    "credentials_revoked_total",
    "tickets_created_total",
    # a client of KeyGen2
    "credentials_issued_total",
    "sessions_finished_total",
    # a certificate that is due
    "certificate_renewals_total",
    # a quarter of an hour
    "sessions_expired_total",
}
