-- Revert users:0003_accounts from pg

begin;

drop table login_failures;
drop table mails;
drop table links;
drop table refresh_tokens;
drop table sessions;
drop table role_changes;
drop table user_roles;
drop table role_scopes;
drop table roles;

revoke update
    on users
    from :"role";

alter table users
    drop column language,
    drop column email_verified,
    drop column version;

commit;
