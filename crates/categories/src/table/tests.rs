use super::*;

const SEED: u64 = 7;

#[test]
fn every_key_is_found_and_nothing_else() {
    for count in [0_usize, 1, 2, 12, 13, 1000, 70_000] {
        let written = written(count, 2);
        let table = Table::new(&written.groups, &written.blocks, 4);
        for i in 0..count {
            let value = table.find_key(format!("key{i}").as_bytes(), SEED);
            let value = u32::from_le_bytes(value.unwrap().try_into().unwrap());
            assert_eq!(value as usize, i);
        }
        for i in count..count + 1000 {
            assert_eq!(table.find_key(format!("key{i}").as_bytes(), SEED), None);
        }
        let keys: Vec<_> = table.iter().map(|(key, _)| key.to_vec()).collect();
        let mut expected: Vec<_> = (0..count).map(|i| format!("key{i}").into_bytes()).collect();
        expected.sort_by_key(|key| key.iter().rev().copied().collect::<Vec<u8>>());
        assert_eq!(keys, expected);
    }
}

#[test]
fn tables_are_the_same_on_any_number_of_threads() {
    // More than one shard, and more keys than are hashed at once.
    let count = 140_000;
    let one = written(count, 1);
    for threads in [2, 5] {
        let other = written(count, threads);
        assert!(one.groups == other.groups && one.blocks == other.blocks);
    }
    assert!(one.groups.len() > SHARD_LEN * GROUP_LEN);
}

#[test]
fn keys_that_a_group_has_no_room_for_are_found_behind_it() {
    let written = written(100_000, 1);
    let table = Table::new(&written.groups, &written.blocks, 4);
    let groups = table.groups.iter().map(Group::read);
    let full = groups.filter(|group| group.place & PASSED != 0).count();
    assert!(full > 100, "{full}");
    // Every tenth group or so has no room; many more, and look-ups would be slow.
    assert!(full * 7 < table.groups.len(), "{full}");
}

#[test]
fn groups_of_a_shard_follow_each_other_in_a_ring() {
    for groups in [1, 2, 4096, 8192, 3 * 4000] {
        let len = shard_len(groups);
        assert_eq!(groups % len, 0);
        for at in [0, len - 1, groups - len, groups - 1] {
            let next = after(at, groups);
            assert_eq!(at / len, next / len);
            assert_eq!((at + 1) % len, next % len);
        }
    }
}

#[test]
fn tags_are_compared_one_by_one() {
    let mut tags = [
        0x7f, 0x80, 0, 1, 0xff, 0x7f, 0, 2, 3, 4, 5, 6, 0xfe, 8, 0x81, 0,
    ];
    for _ in 0..=u8::MAX {
        let words =
            [&tags[..8], &tags[8..]].map(|half| u64::from_le_bytes(half.try_into().unwrap()));
        for tag in 0..=u8::MAX {
            let found = words.map(|word| equal(word, tag).to_le_bytes());
            let expected = tags.map(|other| if other == tag { 0x80 } else { 0 });
            assert_eq!(found.as_flattened(), expected, "{tag} in {tags:?}");
        }
        tags = tags.map(|tag| tag.wrapping_add(1));
    }
}

#[test]
fn long_keys_have_room() {
    let mut records = Records::new(2);
    let keys = (0..3000).map(|i| format!("{i:0>255}")).collect::<Vec<_>>();
    for key in &keys {
        records.push(key.bytes(), b"ab").unwrap();
    }
    let written = write(&records, SEED, 1).unwrap();
    let table = Table::new(&written.groups, &written.blocks, 2);
    for key in &keys {
        assert_eq!(table.find_key(key.as_bytes(), SEED), Some(&b"ab"[..]));
    }
}

#[test]
fn a_table_of_anything_ends_the_search() {
    let tag = tag_of(hash(b"a", SEED));
    let mut full = vec![tag; 2 * GROUP_LEN];
    full[GROUP_LEN - 1] |= 0x80;
    full[2 * GROUP_LEN - 1] |= 0x80;
    for blocks in [&[][..], &[1; 100], &[0; 1000]] {
        assert_eq!(Table::new(&full, blocks, 4).find_key(b"a", SEED), None);
    }
    full.truncate(GROUP_LEN - 1);
    let table = Table::new(&full, &[], 4);
    assert_eq!(table.find_key(b"a", SEED), None);
    assert!(!table.may_have(hash(b"a", SEED)));
}

#[test]
fn a_tag_is_never_that_of_an_empty_slot() {
    for hash in [0, 0x100, 0xff00, u64::MAX << 8, 5] {
        assert_ne!(tag_of(hash), EMPTY);
    }
}

fn written(count: usize, threads: usize) -> Written {
    let mut records = Records::new(4);
    for i in 0..count {
        let value = u32::try_from(i).unwrap().to_le_bytes();
        records.push(format!("key{i}").bytes(), &value).unwrap();
    }
    write(&records, SEED, threads).unwrap()
}
