//! The caller's postal addresses.

use actix_web::web::Data;
use emporium_kernel::{
    Answer, IfMatch, Json, Keyed, NewestFirst, Path, Problem, Query, Routes, ServedPage, SignedIn, Window,
};

use super::sessions::user_of;
use crate::Users;
use crate::addresses::{Address, AddressChange, AddressId, NewAddress};

pub(super) fn routes() -> Routes {
    Routes::new("auth")
        .get("/v1/me/addresses", list, "The caller's postal addresses, newest first.")
        .post("/v1/me/addresses", create, "Keeps one more postal address, up to 50; the first is the default.")
        .refuses(&[409])
        .get("/v1/me/addresses/{id}", show, "A postal address of the caller.")
        .patch("/v1/me/addresses/{id}", change, "Changes a postal address; a default is taken from the others.")
        .delete("/v1/me/addresses/{id}", remove, "Forgets a postal address.")
}

fn served(address: Address) -> Answer<Address> {
    let version = address.version;
    Answer::new(address).version(version)
}

async fn list(who: SignedIn, users: Data<Users>, window: Query<NewestFirst>) -> Result<ServedPage<Address>, Problem> {
    let page = users.list_addresses(user_of(&who.caller)?, Window::from(window.0)).await?;
    Ok(ServedPage::new(page))
}

async fn create(who: SignedIn, users: Data<Users>, new: Keyed<NewAddress>) -> Result<Answer<Address, 201>, Problem> {
    let (user, key) = (user_of(&who.caller)?, new.key(Some(&who.caller)));
    let made = users.create_address(user, key, new.body).await?;
    let (place, version) = (format!("/v1/me/addresses/{}", made.address.id), made.address.version);
    let answer = Answer::new(made.address).at(place).version(version);
    Ok(if made.again { answer.replayed() } else { answer })
}

async fn show(who: SignedIn, users: Data<Users>, Path(id): Path<AddressId>) -> Result<Answer<Address>, Problem> {
    Ok(served(users.address(user_of(&who.caller)?, id).await?))
}

async fn change(
    who: SignedIn,
    users: Data<Users>,
    Path(id): Path<AddressId>,
    IfMatch(seen): IfMatch,
    Json(change): Json<AddressChange>,
) -> Result<Answer<Address>, Problem> {
    Ok(served(users.change_address(user_of(&who.caller)?, id, seen, change).await?))
}

async fn remove(who: SignedIn, users: Data<Users>, Path(id): Path<AddressId>) -> Result<Answer<(), 204>, Problem> {
    users.remove_address(user_of(&who.caller)?, id).await?;
    Ok(Answer::new(()))
}
