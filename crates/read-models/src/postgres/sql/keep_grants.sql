-- Whoever may read a table in use may read the one that takes its place. {in_use} and {next} are literals.
DO $$
DECLARE
    one RECORD;
BEGIN
    FOR one IN
        SELECT c.relname, a.privilege_type, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END AS grantee
        FROM pg_class c, aclexplode(c.relacl) a
        WHERE c.relnamespace = {in_use}::regnamespace AND c.relkind = 'r' AND a.grantee <> c.relowner
    LOOP
        IF to_regclass({next} || '.' || quote_ident(one.relname)) IS NOT NULL THEN
            EXECUTE format('GRANT %s ON %s.%I TO %s', one.privilege_type, {next}, one.relname, one.grantee);
        END IF;
    END LOOP;
END
$$
