package estate

import (
	"fmt"
	"time"

	"vakhta/internal/inventory"
)

// clientNames are the 39 clients beside romashka; their place in the list
// decides their sites (hasServersAt) and, roughly, their size.
var clientNames = []struct {
	id, name, person string
	language         inventory.Language
	timezone         string
}{
	{"severny-torg", "АО «Северный Торг»", "Павел Климов", "ru", "Europe/Moscow"},
	{"nevsky-media", "ООО «Невский Медиа»", "Анна Белова", "ru", "Europe/Moscow"},
	{"globex", "Globex Ltd", "Oliver Hart", "en", "Europe/London"},
	{"volga-bank", "АО «Волга Банк»", "Ирина Самойлова", "ru", "Europe/Samara"},
	{"igrodel", "ООО «Игродел»", "Тимур Гараев", "ru", "Europe/Moscow"},
	{"baltika-log", "ООО «Балтика Логистик»", "Олег Янсон", "ru", "Europe/Kaliningrad"},
	{"medkarta", "ООО «Медкарта»", "Софья Левина", "ru", "Europe/Moscow"},
	{"acme", "Acme Hosting Ltd", "Emily Clarke", "en", "Europe/London"},
	{"ural-stal", "ПАО «Урал Сталь»", "Виктор Шадрин", "ru", "Asia/Yekaterinburg"},
	{"kniga", "ООО «Книга Почтой»", "Мария Осипова", "ru", "Europe/Moscow"},
	{"pogoda", "ООО «Погода Онлайн»", "Денис Ветров", "ru", "Europe/Moscow"},
	{"sibir-telecom", "АО «Сибирь Связь»", "Артём Кузьмин", "ru", "Asia/Novosibirsk"},
	{"lavka", "ООО «Лавка у дома»", "Елена Рощина", "ru", "Europe/Moscow"},
	{"northwind", "Northwind Traders", "James Porter", "en", "Europe/London"},
	{"kinozal", "ООО «Кинозал»", "Роман Дёмин", "ru", "Europe/Moscow"},
	{"shkola", "АНО «Школа Завтра»", "Наталья Крылова", "ru", "Europe/Moscow"},
	{"taxi-veter", "ООО «Такси Ветер»", "Ильдар Ахметов", "ru", "Europe/Samara"},
	{"apteka", "ООО «Аптека 24»", "Вера Соколова", "ru", "Europe/Moscow"},
	{"initech", "Initech Systems", "Grace Miller", "en", "Europe/London"},
	{"strojka", "ООО «Стройка Сервис»", "Георгий Панин", "ru", "Europe/Moscow"},
	{"radio-volna", "ООО «Радио Волна»", "Лидия Шмелёва", "ru", "Europe/Moscow"},
	{"zerno", "АО «Зерно Юга»", "Степан Левченко", "ru", "Europe/Moscow"},
	{"vector-it", "ООО «Вектор ИТ»", "Кирилл Зуев", "ru", "Europe/Moscow"},
	{"hooli", "Hooli Research", "Harry Watson", "en", "Europe/London"},
	{"muzyka", "ООО «Музыка Плюс»", "Алиса Тихонова", "ru", "Europe/Moscow"},
	{"gorod", "МКУ «Умный город»", "Андрей Фомин", "ru", "Europe/Moscow"},
	{"aviabilet", "ООО «Авиабилет»", "Юлия Орлова", "ru", "Europe/Moscow"},
	{"polyarnik", "ООО «Полярник»", "Семён Лыткин", "ru", "Europe/Moscow"},
	{"optika", "ООО «Оптика Люкс»", "Дарья Вишнева", "ru", "Europe/Moscow"},
	{"umbrella", "Umbrella Insurance", "Alice Reed", "en", "Europe/London"},
	{"tehnosila", "ООО «Техно Дом»", "Максим Беляев", "ru", "Europe/Moscow"},
	{"yurist", "ООО «Юрист Рядом»", "Нина Ершова", "ru", "Europe/Moscow"},
	{"foto", "ООО «Фото Архив»", "Глеб Носов", "ru", "Europe/Moscow"},
	{"kamchatka", "ООО «Камчатка Тур»", "Егор Котов", "ru", "Asia/Kamchatka"},
	{"bistro", "ООО «Бистро Сеть»", "Полина Жукова", "ru", "Europe/Moscow"},
	{"stark", "Stark Analytics", "Thomas Green", "en", "Europe/London"},
	{"drova", "ИП Дровосеков", "Фёдор Дровосеков", "ru", "Europe/Moscow"},
	{"cvety", "ООО «Цветы Оптом»", "Ксения Маркова", "ru", "Europe/Moscow"},
	{"arhiv", "ООО «Архив Данных»", "Борис Чернов", "ru", "Europe/Moscow"},
}

// makeClients returns romashka and the others. Numbers are from ranges that
// nobody owns (Ofcom's 020 7946 0xxx for drama) or, for Russia, that has no
// such range, from the bottom of +7 900 000; the lab never dials them.
func makeClients() []inventory.Client {
	const msk = "Europe/Moscow"
	clients := []inventory.Client{{
		ID: Romashka, Name: "ООО «Ромашка»", Language: inventory.Russian, TimeZone: msk,
		Contacts: []inventory.Contact{
			{
				ID: "romashka-duty", Name: "Дежурный «Ромашки»", Language: inventory.Russian, TimeZone: msk,
				Addresses: map[inventory.Channel]string{inventory.Telegram: "1001"},
				Ladder:    []inventory.Channel{inventory.Telegram},
			},
			{
				ID: "romashka-tech", Name: "Светлана Ромашкина", Language: inventory.Russian, TimeZone: msk,
				Addresses: map[inventory.Channel]string{inventory.Email: "tech@romashka.example"},
				Ladder:    []inventory.Channel{inventory.Email},
			},
			{
				ID: "romashka-director", Name: "Николай Ромашкин", Language: inventory.Russian, TimeZone: msk,
				Addresses: map[inventory.Channel]string{inventory.SMS: mobile(1), inventory.Call: mobile(1)},
				Ladder:    []inventory.Channel{inventory.SMS, inventory.Call},
			},
		},
	}}
	for i, n := range clientNames {
		c := inventory.Client{ID: n.id, Name: n.name, Language: n.language, TimeZone: n.timezone}
		c.Contacts = append(c.Contacts, inventory.Contact{
			ID: n.id + "-tech", Name: n.person, Language: n.language, TimeZone: n.timezone,
			Addresses: clientAddresses(i, n.id, n.language),
		})
		if i%2 == 0 {
			c.Contacts = append(c.Contacts, inventory.Contact{
				ID: n.id + "-office", Name: n.name, Language: n.language, TimeZone: n.timezone,
				Addresses: map[inventory.Channel]string{inventory.Email: "office@" + n.id + ".example"},
			})
		}
		clients = append(clients, c)
	}
	return clients
}

// clientAddresses varies how the technical contact can be reached.
func clientAddresses(i int, id string, language inventory.Language) map[inventory.Channel]string {
	phone := mobile(100 + i)
	if language == inventory.English {
		phone = london(100 + i)
	}
	a := map[inventory.Channel]string{}
	if i%4 != 1 {
		a[inventory.Telegram] = fmt.Sprint(1100 + i)
	}
	if i%4 == 1 || i%4 == 2 {
		a[inventory.SMS], a[inventory.Call] = phone, phone
	}
	if i%4 == 3 {
		a[inventory.Email] = "tech@" + id + ".example"
	}
	return a
}

func mobile(n int) string { return fmt.Sprintf("+7900000%04d", n) }
func london(n int) string { return fmt.Sprintf("+442079460%03d", n) }

func makeTeams(o Options) []inventory.Team {
	person := func(n int, id, name string) inventory.Contact {
		phone := mobile(9000 + n)
		return inventory.Contact{
			ID: id, Name: name, Language: inventory.Russian, TimeZone: "Europe/Moscow",
			Addresses: map[inventory.Channel]string{
				inventory.Telegram: fmt.Sprint(2000 + n), inventory.SMS: phone, inventory.Call: phone,
			},
		}
	}
	seconds := max(1, int(o.AckWithin/time.Second))
	team := func(id, name string, base int, people ...[2]string) inventory.Team {
		t := inventory.Team{ID: id, Name: name, Repeat: 2}
		for i, p := range people {
			t.Members = append(t.Members, person(base+i, p[0], p[1]))
		}
		t.Levels = []inventory.Level{
			{Members: []string{people[0][0]}, AckWithinSeconds: seconds},
			{Members: []string{people[1][0], people[2][0]}, AckWithinSeconds: seconds},
		}
		return t
	}
	return inRooms(o, []inventory.Team{
		team("emergency", "Аварийная бригада", 1,
			[2]string{"ivan", "Иван Дежурный"}, [2]string{"petr", "Пётр Монтажник"}, [2]string{"olga", "Ольга Электрик"}),
		team("admins", "Системные администраторы", 11,
			[2]string{"sergey", "Сергей Админ"}, [2]string{"marina", "Марина Линукс"}, [2]string{"anton", "Антон Баранов"}),
		team("network", "Сетевая группа", 21,
			[2]string{"dmitry", "Дмитрий Сетевик"}, [2]string{"vera", "Вера Маршрутова"}, [2]string{"egor", "Егор Волокно"}),
		onSite(team(support("msk"), "Смена площадки Москва", 31,
			[2]string{"nina", "Нина Смотрова"}, [2]string{"gleb", "Глеб Фонарёв"}, [2]string{"zoya", "Зоя Ключникова"})),
		onSite(team(support("spb"), "Смена площадки Петербург", 41,
			[2]string{"lev", "Лев Обходов"}, [2]string{"rita", "Рита Стойкина"}, [2]string{"yakov", "Яков Дверной"})),
	})
}

// inRooms gives the first teams a room each.
func inRooms(o Options, teams []inventory.Team) []inventory.Team {
	if o.Rooms {
		teams[0].Room = &inventory.Room{Channel: inventory.Telegram, Address: "-1002000000001", Topics: true, Language: inventory.Russian}
		teams[1].Room = &inventory.Room{Channel: inventory.Slack, Address: "C0ADMINS001", Language: inventory.Russian}
		teams[2].Room = &inventory.Room{Channel: inventory.Mattermost, Address: "network0room", Language: inventory.English}
	}
	return teams
}

// support is the team of a site that goes and looks.
func support(site string) string { return site + "-hands" }

// onSite gives the members of a team an address for mail: they are written to first.
func onSite(t inventory.Team) inventory.Team {
	for _, m := range t.Members {
		m.Addresses[inventory.Email] = m.ID + "@" + t.ID + ".example"
	}
	return t
}
