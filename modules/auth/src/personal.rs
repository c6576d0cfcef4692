//! What auth knows of a user, for the user.

use emporium_auth_api::{AuthError, FindUser, Personal, UserId};
use emporium_database::Db;
use emporium_database::prelude::*;
use emporium_kernel::Timestamp;
use serde_json::{Value, json};

use crate::schema::{api_key, known_place, sessions};
use crate::{Done, Users, addresses, factor, users};

/// Rows of each kind that are told: the newest.
const MOST: i64 = 1_000;

impl Users {
    /// What auth knows of a user; no secret is among it.
    pub(crate) async fn personal(&self, user: UserId) -> Result<Personal, AuthError> {
        let known = self.user(FindUser::Id(user.clone())).await?;
        let accounts = self.accounts_of(&known);
        let read = move |db: &mut Db| {
            let profile = users::need(db, &FindUser::Id(user.clone()))?;
            let data = json!({
                "profile": profile,
                "second_factor": factor::is_on(db, &user)?,
                "addresses": addresses::all(db, &user)?,
                "sessions": sessions_of(db, &user)?,
                "api_keys": keys_of(db, &user)?,
                "login_places": places_of(db, &accounts)?,
            });
            Ok(Personal { data })
        };
        self.database.read(read).await
    }
}

fn at(micros: Option<i64>) -> Option<Timestamp> {
    micros.map(Timestamp::from_micros)
}

/// Those that ended lately as well.
fn sessions_of(db: &mut Db, user: &UserId) -> Done<Vec<Value>> {
    let rows: Vec<(String, i64, i64, Option<i64>)> = sessions::table
        .filter(sessions::user_id.eq(user.as_str()))
        .select((sessions::id, sessions::created_at, sessions::rotated_at, sessions::ended_at))
        .order(sessions::id.desc())
        .limit(MOST)
        .load(db)?;
    let told = |(id, began, used, ended): (String, i64, i64, Option<i64>)| {
        let (began, used, ended) = (at(Some(began)), at(Some(used)), at(ended));
        json!({"id": id, "created_at": began, "refreshed_at": used, "ended_at": ended})
    };
    Ok(rows.into_iter().map(told).collect())
}

fn keys_of(db: &mut Db, user: &UserId) -> Done<Vec<Value>> {
    let rows: Vec<(String, String, i64, Option<i64>)> = api_key::table
        .filter(api_key::user_id.eq(user.as_str()))
        .select((api_key::id, api_key::name, api_key::created_at, api_key::last_used_at))
        .order(api_key::id.desc())
        .limit(MOST)
        .load(db)?;
    let told = |(id, name, made, used): (String, String, i64, Option<i64>)| {
        let (made, used) = (at(Some(made)), at(used));
        json!({"id": id, "name": name, "created_at": made, "last_used_at": used})
    };
    Ok(rows.into_iter().map(told).collect())
}

/// Networks that the user logged in from.
fn places_of(db: &mut Db, accounts: &[String]) -> Done<Vec<Value>> {
    let rows: Vec<(String, i64)> = known_place::table
        .filter(known_place::account.eq_any(accounts))
        .select((known_place::place, known_place::last_at))
        .order((known_place::last_at.desc(), known_place::place))
        .limit(MOST)
        .load(db)?;
    Ok(rows.into_iter().map(|(place, last)| json!({"network": place, "last_at": at(Some(last))})).collect())
}
